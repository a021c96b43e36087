"""A sink's process for tests: the real spec with another topic, consumer and exchange, that can die on demand."""

import os
import signal
import sys
from dataclasses import replace
from typing import Any

import msgspec

from runtime.settings import Settings
from sinks.batch import Batch, Destination
from sinks.clickhouse import worker as analytics_worker
from sinks.process import run_sink
from sinks.rabbitmq import worker as signals_worker
from sinks.rabbitmq.publisher import SignalPublisher, Topology


class Dying:
    """Delivers, and dies before it reports the delivery."""

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
        spec: Any = replace(signals_worker.spec(settings), destination=publisher)
    else:
        spec = analytics_worker.spec(settings)
    destination = Dying(spec.destination, job["die_after_batch"]) if job["die_after_batch"] else spec.destination
    run_sink(
        settings,
        replace(
            spec,
            topics=tuple(job["topics"]),
            consumer=job["consumer"],
            batch_max=job["batch_max"],
            destination=destination,
        ),
    )


if __name__ == "__main__":
    main(msgspec.json.decode(sys.argv[1]))
