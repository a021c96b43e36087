"""The analytics sink on a topic of the benchmark's: ``python -m cli.bench.sink_process TOPIC``, with the settings of the
stack and the benchmark's own database. Its consumer is called as the topic is."""

import dataclasses
import sys

from runtime import gc
from runtime.logging import setup
from runtime.settings import Settings
from sinks.clickhouse.worker import spec
from sinks.process import run_sink


def main(topic: str) -> None:
    """Serve until a signal comes."""
    setup.configure()
    settings = Settings()
    gc.freeze_startup_objects()  # as `billing run` does
    run_sink(settings, dataclasses.replace(spec(settings), topic=topic, consumer=topic))


if __name__ == "__main__":
    main(sys.argv[1])
