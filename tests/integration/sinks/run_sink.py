"""A sink's process for tests: the real route with another topic, consumer and exchange, that can die on demand."""

import os
import signal
import sys
from dataclasses import replace
from typing import Any

import msgspec

from billing.settings import Settings
from sinks import analytics_worker, signals_worker
from sinks.event import Batch, Destination
from sinks.rabbitmq import SignalPublisher, Topology
from sinks.worker import run_route


class Dying:
    """Delivers, and dies before anybody hears of it."""

    def __init__(self, inner: Destination[Any], batches: int) -> None:
        self._inner = inner
        self._left = batches

    async def deliver(self, batch: Batch[Any]) -> None:
        await self._inner.deliver(batch)
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    async def close(self) -> None:
        await self._inner.close()


def main(job: dict[str, Any]) -> None:
    settings = Settings(**job["settings"])
    if job["kind"] == "signals":
        publisher = SignalPublisher(settings.rabbitmq_url, msgspec.convert(job["topology"], Topology))
        route: Any = replace(signals_worker.route(settings), destination=publisher)
    else:
        route = analytics_worker.route(settings)
    destination = Dying(route.destination, job["die_after_batch"]) if job["die_after_batch"] else route.destination
    run_route(
        settings,
        replace(
            route, topic=job["topic"], consumer=job["consumer"], batch_max=job["batch_max"], destination=destination
        ),
    )


if __name__ == "__main__":
    main(msgspec.json.decode(sys.argv[1]))
