"""The analytics sink on a topic of the benchmark's: ``python -m cli.bench.sink_process TOPIC``, with the settings of the
stack and the benchmark's own database. Its consumer is called as the topic is."""

import dataclasses
import sys

from runtime import gc
from runtime.logging import setup
from runtime.settings import Settings
from sinks.clickhouse.worker import route
from sinks.process import run_route


def main(topic: str) -> None:
    """Serve until a signal comes."""
    setup.configure()
    settings = Settings()
    gc.settle()  # as `billing run` does
    run_route(settings, dataclasses.replace(route(settings), topic=topic, consumer=topic))


if __name__ == "__main__":
    main(sys.argv[1])
