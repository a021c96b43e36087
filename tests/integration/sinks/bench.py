"""A sink in a process of its own over the real parts, with its own topic, consumer and exchange."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import msgspec
from aiokafka import AIOKafkaProducer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.messages import PaymentChanged
from billing.messages.clearing_events import ClearingMessage
from billing.messages.subscription_events import SubscriptionChanged
from runtime.settings import Settings
from sinks.parking import PostgresParking
from sinks.rabbitmq.publisher import Topology
from tests.support.event_factories import as_message

PATIENCE_S = 60.0
PARTITIONS = 2
#: Small, so that a test of some hundred events has many batches.
BATCH_MAX = 50


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition that is asked of a real part."""
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():
            await asyncio.sleep(0.05)


class SinkProcess:
    """``python -m tests.integration.sinks.run_sink``."""

    def __init__(self, process: asyncio.subprocess.Process, heartbeat: Path, log: Path) -> None:
        self._process = process
        self._heartbeat = heartbeat
        self._log = log

    async def ready(self) -> None:
        async def alive() -> bool:
            assert self._process.returncode is None, "the sink ended"
            return self._heartbeat.exists()

        await until(alive)

    async def waits(self) -> bool:
        """It has logged that a dependency does not answer."""
        return await self.said("retrying")

    async def said(self, words: str) -> bool:
        """Whether its log has these words."""
        return words in await asyncio.to_thread(self._log.read_text)

    async def terminate(self) -> int:
        """SIGTERM; the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def kill(self) -> None:
        """SIGKILL, unless it has ended."""
        if self._process.returncode is None:
            self._process.kill()
        await self.ended()

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            return await self._process.wait()


class Bench:
    """The topics of events and everything a sink over them needs."""

    def __init__(self, settings: Settings, engine: AsyncEngine, producer: AIOKafkaProducer, folder: Path) -> None:
        self.settings = settings
        self.topic = f"test.events.{uuid4().hex}"
        self.subscriptions = f"test.subscription.events.{uuid4().hex}"
        self.clearing = f"test.clearing.events.{uuid4().hex}"
        self.consumer = f"test.sink.{uuid4().hex}"
        self.topology = Topology(
            f"test.{uuid4().hex}",
            f"test.{uuid4().hex}.dlx",
            {f"test.{uuid4().hex}.{name}": f"{name}.*" for name in ("auth", "notify", "finance")},
        )
        self._engine = engine
        self._producer = producer
        self._folder = folder

    @property
    def topics(self) -> list[str]:
        return [self.topic, self.subscriptions, self.clearing]

    async def publish(self, changes: Sequence[PaymentChanged | SubscriptionChanged | ClearingMessage]) -> None:
        """Events, as they are published, each on its topic."""
        futures = []
        for change in changes:
            key, value = as_message(change)
            match change:
                case PaymentChanged():
                    topic = self.topic
                case SubscriptionChanged():
                    topic = self.subscriptions
                case _:
                    topic = self.clearing
            futures.append(await self._producer.send(topic, value, key=key))
        await asyncio.gather(*futures)

    async def publish_raw(self, value: bytes) -> None:
        await self._producer.send_and_wait(self.topic, value, key=b"poison")

    async def done(self) -> int:
        """How many messages the stored positions stand for."""
        async with self._engine.connect() as connection:
            query = text("SELECT coalesce(sum(next_offset), 0) FROM stream_positions WHERE consumer = :consumer")
            return int((await connection.execute(query, {"consumer": self.consumer})).scalar_one())

    async def parked(self) -> list[tuple[str, str | None]]:
        """(type, resolution) of the messages that the sink has parked."""
        async with self._engine.connect() as connection:
            query = text("SELECT type, resolution FROM parked_messages WHERE consumer = :consumer")
            return [tuple(row) for row in await connection.execute(query, {"consumer": self.consumer})]

    async def return_parked(self) -> int:
        """What a sink does every minute with the messages it has parked; how many it returned."""
        return await PostgresParking(self._engine, self.settings, self.consumer).return_due()

    async def execute(self, statement: str, **values: object) -> None:
        """Change Postgres."""
        async with self._engine.begin() as connection:
            await connection.execute(text(statement), {"consumer": self.consumer, **values})

    async def drained(self, count: int) -> None:
        """Wait until the positions stand for ``count`` messages."""

        async def arrived() -> bool:
            return await self.done() == count

        await until(arrived)

    @asynccontextmanager
    async def sink(
        self, kind: str, *, die_after_batch: int = 0, batch_max: int = BATCH_MAX, **settings: str
    ) -> AsyncIterator[SinkProcess]:
        """A running sink (``signals`` or ``analytics``). ``die_after_batch``: SIGKILLs itself once that many batches
        are delivered, before their position is stored."""
        heartbeat = self._folder / f"heartbeat-{uuid4().hex}"
        job = {
            "kind": kind,
            "topics": self.topics,
            "consumer": self.consumer,
            "topology": msgspec.to_builtins(self.topology),
            "die_after_batch": die_after_batch,
            "batch_max": batch_max,
            "settings": self.settings.model_dump(
                mode="json",
                include={"postgres_url", "kafka_url", "rabbitmq_url", "clickhouse_url", "kafka_idempotence"},
            )
            | {"heartbeat_file": str(heartbeat)}
            | settings,
        }
        log = heartbeat.with_suffix(".log")
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.integration.sinks.run_sink",
                msgspec.json.encode(job).decode(),
                env=os.environ | {"PYTHONPATH": str(Path.cwd())},
                stdout=output,
                stderr=output,
            )
        sink = SinkProcess(process, heartbeat, log)
        try:
            if not die_after_batch:
                await sink.ready()
            yield sink
        finally:
            await sink.kill()
            print(log.read_text())
