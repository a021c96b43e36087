"""The Faust app: one consumer group, one Faust agent per topic, each filling an ordered feed of :class:`Agents`."""

import asyncio
from collections.abc import Callable, Collection
from inspect import isawaitable
from typing import Any, Final, cast

import faust
import structlog
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from billing.messages.topics import CALLBACKS, INBOX, RENEWALS, REQUESTS, SUBSCRIPTIONS
from runtime.kafka.clients import security
from runtime.kafka.record import Incoming
from runtime.settings import KafkaSettings, WorkerSettings
from streams.delivery.ordered_feed import CAPACITY, GAP_PATIENCE_S, Pause
from streams.worker_agents import Agents

log = structlog.get_logger(__name__)

GROUP: Final = "billing-streams"
#: A worker that stopped sending heartbeats loses its partitions after this.
SESSION_TIMEOUT_S: Final = 10.0
HEARTBEAT_S: Final = 2.0
#: Longer than any batch may take: past it Faust would leave the group and the process would live on without work.
MAX_POLL_INTERVAL_S: Final = 86_400.0
# Two heartbeats may be lost. A missing offset ends the process before a rebalance would move its partitions.
assert 3 * HEARTBEAT_S < SESSION_TIMEOUT_S < MAX_POLL_INTERVAL_S
assert GAP_PATIENCE_S < SESSION_TIMEOUT_S
#: Fetched from a partition at once, at most.
FETCH_BYTES: Final = 65_536
#: What the smallest message takes.
SMALLEST_BYTES: Final = 500


class ConsumerInLoop(driver.AIOKafkaConsumerThread):
    """Faust's consumer of Kafka in the worker's own loop instead of a thread with a loop of its own: handing each batch
    from loop to loop, through the interpreter's lock, costs more than it gains (ADR 0030)."""

    def __init__(self, consumer: Any, *, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(consumer, loop=loop, thread_loop=loop, **options)

    async def start(self) -> None:
        """As the thread's, with a task."""
        self._thread_started.set()
        self._thread_running = running = self.parent_loop.create_future()
        self._serving = self.parent_loop.create_task(self._serve_to_the_end())
        try:
            await running
        finally:
            self._thread_running = None

    async def _serve_to_the_end(self) -> None:
        """Serve; whatever happens, who stops the consumer does not wait for it in vain."""
        try:
            await self._serve()
        except Exception:
            log.exception("consumer failed")  # its start, or the app, has failed with it
        finally:
            self.set_shutdown()

    async def call_thread(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call it, without the queue of another thread."""
        result = fun(*args, **kwargs)
        return await result if isawaitable(result) else result

    async def _gather_remaining_tasks(self) -> None:
        """The loop has other tasks than the consumer's."""


class SeekingConsumer(driver.Consumer):
    """Faust's consumer, which starts every assignment at the positions that Postgres holds."""

    def _new_consumer_thread(self) -> ConsumerInLoop:
        return ConsumerInLoop(self, loop=self.loop, beacon=self.beacon)

    async def perform_seek(self) -> None:
        await super().perform_seek()
        app = cast("BillingApp", self.app)
        positions = await app.restore(self.assignment())
        if positions:
            await self.seek_wait(positions)


class Transport(driver.Transport):
    """Faust's transport with our consumer."""

    Consumer = SeekingConsumer


class BillingApp(faust.App):
    """A Faust app whose agents start before it consumes and stop after."""

    def __init__(self, settings: WorkerSettings, group: str = GROUP) -> None:
        super().__init__(
            group,
            **kafka_options(settings),
            key_serializer="raw",
            value_serializer="raw",
            store="memory://",
            datadir=settings.state_dir / "faust",
            web_enabled=False,
            web_tables_enabled=False,
            topic_disable_leader=True,
            topic_allow_declare=False,
            broker_session_timeout=SESSION_TIMEOUT_S,
            broker_heartbeat_interval=HEARTBEAT_S,
            broker_max_poll_interval=MAX_POLL_INTERVAL_S,
            broker_rebalance_timeout=SESSION_TIMEOUT_S,
            broker_commit_interval=5.0,
            stream_wait_empty=False,
            consumer_auto_offset_reset="earliest",
            # What was fetched before a feed paused its partitions still arrives, from all of them: it must fit into the feed.
            consumer_max_fetch_size=min(FETCH_BYTES, CAPACITY * SMALLEST_BYTES // settings.kafka_partitions),
            worker_redirect_stdouts=False,
        )
        self.billing = Agents(settings, self._highwater, self._pause)

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)

    def _highwater(self, topic: str, partition: int) -> int:
        """The end of a partition as of the consumer's last fetch; 0 where a rebalance has just taken the partition."""
        try:
            return self.consumer.highwater(TP(topic, partition)) or 0
        except AssertionError:  # how aiokafka says that the partition is not assigned
            return 0

    def _pause(self, topic: str) -> Pause:
        def pause(partitions: Collection[int], *, stop: bool) -> None:
            # Not by pause_partitions: Faust drops what it has fetched of a partition that is paused so.
            change = self.consumer.on_buffer_full if stop else self.consumer.on_buffer_drop
            for place in {TP(topic, partition) for partition in partitions} & self.consumer.assignment():
                change(place)

        return pause

    async def on_start(self) -> None:
        """Start the agents before Faust consumes."""
        await super().on_start()
        await self.billing.start()

    async def on_stop(self) -> None:
        """Finish the batches in progress."""
        await self.billing.stop()
        await super().on_stop()

    async def restore(self, assignment: set[TP]) -> dict[TP, int]:
        """Where to start each partition that is assigned to us."""
        partitions: dict[str, list[int]] = {}
        for tp in assignment:
            partitions.setdefault(tp.topic, []).append(tp.partition)
        positions = await self.billing.restore(partitions)
        return {TP(topic, p): offset for topic, offsets in positions.items() for p, offset in offsets.items()}


def kafka_options(settings: KafkaSettings) -> dict[str, Any]:
    """How a ``faust.App`` connects: with the brokers, TLS and credentials of our other Kafka clients."""
    options = security(settings)
    credentials: Any = None
    if "sasl_mechanism" in options:
        credentials = faust.SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=options["sasl_mechanism"],
            ssl_context=options.get("ssl_context"),
        )
    elif options:
        credentials = faust.SSLCredentials(options["ssl_context"])
    brokers = ["kafka://" + address for address in settings.kafka_url.split(",")]
    return {"broker": brokers, "broker_credentials": credentials}


def build_app(settings: WorkerSettings) -> BillingApp:
    """The app with its agents; nothing is connected yet."""
    app = BillingApp(settings)
    for topic in (INBOX, SUBSCRIPTIONS, REQUESTS, RENEWALS, CALLBACKS):
        declare_agent(app, topic.name)
    return app


def declare_agent(app: BillingApp, topic: str) -> None:
    """Let the app consume a topic, for its feed."""

    async def agent(stream: Any) -> None:
        feed = app.billing.feeds[topic]
        async for event in stream.events():
            message = event.message
            headers = message.headers or ()
            pairs = headers.items() if isinstance(headers, dict) else headers
            await feed.offer(Incoming(message.partition, message.offset, message.key, message.value, tuple(pairs)))

    app.agent(app.topic(topic, key_serializer="raw", value_serializer="raw"), name=f"streams.{topic}")(agent)
