"""The analytics sink on the benchmark's topic: ``python -m cli.bench.sink_process TOPIC``, with the settings of the
stack and the benchmark's database. Its consumer is named like the topic."""

import dataclasses
import sys

from runtime import gc
from runtime.logging import setup
from runtime.settings import Settings
from sinks.clickhouse.worker import spec
from sinks.process import run_sink


def main(topic: str) -> None:
    """Serve until a signal stops it."""
    setup.configure()
    settings = Settings()
    gc.freeze_startup_objects()  # as `billing run` does
    run_sink(settings, dataclasses.replace(spec(settings), topics=(topic,), consumer=topic))


if __name__ == "__main__":
    main(sys.argv[1])
