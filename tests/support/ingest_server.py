"""A real server on a free port, with fakes where Kafka, Postgres and a provider would be."""

import asyncio
import hashlib
import itertools
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import aiohttp

from billing.messages import CreatePayment, Message, PaymentChanged, Refusal, Reply, decode_envelope
from billing.messages.topics import CALLBACKS, INBOX
from billing.payments.decide import decide
from billing.payments.decision import snapshot
from billing.payments.model import Payment
from billing.vocabulary import CaptureMode, PaymentStatus
from ingest_api.app import create_app
from ingest_api.auth.admission import Admission, RateLimits
from ingest_api.dependencies import Dependencies
from ingest_api.edge.idempotency import RecentKeys
from ingest_api.edge.uvicorn_server import IngestServer, server_config
from ingest_api.kafka.change_streams import ChangeStreams
from ingest_api.kafka.replies import WaitingRequests
from ingest_api.kafka.writer import NotStored
from ingest_api.metrics import Metrics
from ingest_api.routing.provider_health import ProviderHealth
from ingest_api.routing.selection import ProviderSelector, read_rules
from providers.base import CallbackRejected, CallbackVerifier, VerifiedCallback
from providers.registry import PLUGINS
from runtime.settings import Settings
from storage.access.api_keys import StoredKey
from storage.access.key_ring import KeyRing, KeysUnavailable
from storage.journal.story import TimelineEntry
from storage.payments.lists import Cursor, Filters

SITE_KEY = "site-key-1"
SHOP_KEY = "shop-key-1"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class FakeVerifier(CallbackVerifier):
    """Accepts a callback with the header ``x-signature: good``."""

    def __init__(self) -> None:
        self.peers: list[str | None] = []

    async def verify(self, headers: Mapping[str, str], body: bytes, peer: str | None = None) -> VerifiedCallback:
        self.peers.append(peer)
        if headers.get("x-signature") != "good":
            raise CallbackRejected(403, b'{"status":"fail","reasonCode":"FORBIDDEN"}', "bad signature")
        return VerifiedCallback(order_ref="order-1", response=b'{"status":"success"}')


@dataclass
class Record:
    topic: str
    key: bytes
    value: bytes
    headers: dict[str, bytes]


class RecordingWriter:
    """Remembers what was produced; ``away`` imitates a broker that is gone; ``on_store`` imitates the agents."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.away = False
        self.on_store: Callable[[Message], None] | None = None

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def unready(self) -> str | None:
        return "not connected to Kafka" if self.away else None

    async def store(self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        if self.away:
            raise NotStored("no broker")
        self.records.append(Record(topic, key, value, dict(headers)))
        if topic == INBOX.name and self.on_store is not None:
            self.on_store(decode_envelope(value).open())

    @property
    def messages(self) -> list[Message]:
        return [decode_envelope(r.value).open() for r in self.records if r.topic == INBOX.name]

    @property
    def commands(self) -> list[CreatePayment]:
        return [message for message in self.messages if isinstance(message, CreatePayment)]

    @property
    def callbacks(self) -> list[Record]:
        return [r for r in self.records if r.topic == CALLBACKS.name]


@dataclass
class FakeReplies:
    partition: int | None = 3

    async def start(self) -> None: ...

    async def close(self) -> None: ...


@dataclass
class FakeReads:
    payments_of: dict[UUID, Payment] = field(default_factory=dict)
    filters: Filters | None = None
    refusals: dict[tuple[UUID, UUID | None], Refusal] = field(default_factory=dict)
    journal: list[PaymentChanged] = field(default_factory=list)
    journal_reads: int = 0
    entries: list[TimelineEntry] = field(default_factory=list)
    error: Exception | None = None
    unavailable_now: frozenset[str] = frozenset()

    async def payment(self, client_id: str, payment_id: UUID) -> Payment | None:
        if self.error is not None:
            raise self.error
        found = self.payments_of.get(payment_id)
        return found if found is not None and found.client_id == client_id else None

    async def refusal(self, client_id: str, payment_id: UUID, operation_id: UUID | None) -> Refusal | None:
        return self.refusals.get((payment_id, operation_id))

    async def payments(self, client_id: str, filters: Filters, after: Cursor | None, limit: int) -> list[Payment]:
        self.filters = filters
        mine = [payment for payment in self.payments_of.values() if payment.client_id == client_id]
        mine.sort(key=lambda p: (p.created_at, p.id), reverse=True)
        return [p for p in mine if after is None or (p.created_at, p.id) < (after.created_at, after.id)][:limit]

    async def changes(self, payment_id: UUID, version: int, limit: int) -> list[PaymentChanged]:
        self.journal_reads += 1
        return [change for change in self.journal if change.version > version][:limit]

    async def timeline(self, payment_id: UUID) -> list[TimelineEntry]:
        return self.entries

    async def unavailable_providers(self) -> frozenset[str]:
        return self.unavailable_now

    async def close(self) -> None: ...


class FakeKeyStore:
    """Keys on record, as the test wants them."""

    def __init__(self) -> None:
        self.keys: list[StoredKey] = []
        self.used: dict[str, datetime] = {}
        self.away = False

    async def exchange(self, used: Mapping[str, datetime]) -> list[StoredKey]:
        if self.away:
            raise KeysUnavailable("no database")
        self.used.update(used)
        return self.keys


class NoKafkaChanges(ChangeStreams):
    """Streams that the test feeds."""

    async def start(self) -> None:
        self.live([])


def payment_of(command: CreatePayment, **changes: Any) -> PaymentChanged:
    """The payment that would come of a command."""
    fields: dict[str, Any] = {
        "payment_id": command.payment_id,
        "version": 2,
        "status": PaymentStatus.PENDING,
        "customer_id": command.order.customer_id,
        "order_id": command.order.id,
        "client_id": command.client_id,
        "provider": command.provider,
        "capture_mode": CaptureMode.ONE_STAGE,
        "currency": command.order.currency,
        "amount": command.order.amount,
        "authorized": 0,
        "captured": 0,
        "refunded": 0,
        "created_at": NOW,
        "changed_at": NOW,
        "items": (),
        "operations": (),
        "payment_url": "https://pay.example/1",
    }
    return PaymentChanged(**{**fields, **changes})


@dataclass
class World:
    """One running API and everything around it."""

    settings: Settings
    writer: RecordingWriter
    replies: FakeReplies
    reads: FakeReads
    book: FakeKeyStore
    waiting: WaitingRequests
    metrics: Metrics
    dependencies: Dependencies
    server: IngestServer
    url: str
    http: aiohttp.ClientSession
    key: str = "order-1842"

    def headers(self, **changes: str | None) -> dict[str, str]:
        headers = {
            "Authorization": f"Bearer {SITE_KEY}",
            "Idempotency-Key": self.key,
            "Content-Type": "application/json",
            "Prefer": "respond-async",
        }
        for name, value in changes.items():
            headers.pop(name.replace("_", "-"), None)
            if value is not None:
                headers[name.replace("_", "-")] = value
        return headers

    async def create(self, body: Any, **headers: str | None) -> "Answer":
        if not isinstance(body, (bytes, str)):
            body = _json(body)
        async with self.http.post(f"{self.url}/v1/payments", data=body, headers=self.headers(**headers)) as response:
            return await Answer.of(response)

    async def act(self, payment_id: UUID, name: str, body: Any, **headers: str | None) -> "Answer":
        """Capture, void, refund or cancel."""
        url = f"{self.url}/v1/payments/{payment_id}/{name}"
        async with self.http.post(url, data=_json(body), headers=self.headers(**headers)) as response:
            return await Answer.of(response)

    def keep(self, payment: Payment) -> UUID:
        """Put a payment into the books."""
        self.reads.payments_of[payment.id] = payment
        return payment.id

    def deciding(self, *then: Message) -> None:
        """From now on commands on payments in the books are decided, followed by ``then``, and answered."""

        def answer(command: Any) -> None:
            payment = self.reads.payments_of[command.payment_id]
            for message in (command, *then):
                decision = decide(payment, message, NOW)
                assert decision.payment is not None
                payment = decision.payment
            self.keep(payment)
            refusal = decision.reply.refusal if decision.reply else None
            shown = None if refusal else snapshot(payment, payment.operations)
            if command.reply_to is not None:
                self.waiting.resolve(Reply(payment.id, command.reply_to.correlation_id, shown, refusal))

        self.writer.on_store = answer

    async def get(self, path: str, **headers: str) -> "Answer":
        async with self.http.get(self.url + path, headers=headers) as response:
            return await Answer.of(response)

    async def callback(self, body: bytes, **headers: str) -> "Answer":
        url = f"{self.url}/webhooks/yandex-pay/v1/webhook"
        async with self.http.post(url, data=body, headers=headers) as response:
            return await Answer.of(response)

    def replying(self, **changes: Any) -> None:
        """From now on every command is answered at once with its payment."""

        def answer(command: Message) -> None:
            assert isinstance(command, CreatePayment)
            if command.reply_to is not None:
                payment = payment_of(command, **changes)
                self.waiting.resolve(Reply(command.payment_id, command.reply_to.correlation_id, payment))

        self.writer.on_store = answer

    def refusing(self, code: str, detail: str) -> None:
        """From now on every command is refused."""

        self.writer.on_store = lambda command: self.refuse(command, code, detail)

    def refuse(self, command: Any, code: str, detail: str) -> None:
        """Answer who waits for ``command`` that it is refused."""
        refusal = Refusal(code, detail)
        self.waiting.resolve(Reply(command.payment_id, command.reply_to.correlation_id, refusal=refusal))


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    raw: bytes

    @classmethod
    async def of(cls, response: aiohttp.ClientResponse) -> "Answer":
        return cls(response.status, response.headers, await response.read())

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    def is_problem(self, status: int, code: str) -> None:
        """Assert that this is the problem with this status and type."""
        assert self.headers["Content-Type"] == "application/problem+json", self.raw
        document = self.json
        assert (self.status, document["status"], document["type"]) == (status, status, f"/problems/{code}"), document
        assert document["title"]
        assert document["request_id"] == self.headers["X-Request-Id"]


def _json(document: Any) -> bytes:
    return json.dumps(document).encode()


@asynccontextmanager
async def serving(verifiers: Mapping[str, CallbackVerifier] | None = None, **overrides: Any) -> AsyncIterator[World]:
    """Serve the API on a free port; ``overrides`` change settings. Without ``verifiers`` there is one
    provider, with a fake."""
    hashes = {name: hashlib.sha256(key.encode()).hexdigest() for name, key in (("site", SITE_KEY), ("shop", SHOP_KEY))}
    settings = Settings(**{"api_keys": hashes, "wait_default_s": 5.0, "body_limit_bytes": 8192, **overrides})
    metrics = Metrics()
    waiting = WaitingRequests(metrics, limit=200)
    writer, replies, reads = RecordingWriter(), FakeReplies(), FakeReads()
    book = FakeKeyStore()
    keys = KeyRing(settings.api_keys, book, clock=lambda: NOW, refresh_s=300, default_rate_per_s=0.001)
    changes = NoKafkaChanges(settings, metrics, limit=3)
    ids = itertools.count()
    verifiers = {"yandex-pay": FakeVerifier()} if verifiers is None else verifiers
    known = {name: PLUGINS[name] for name in verifiers}
    dependencies = Dependencies(
        settings=settings,
        metrics=metrics,
        admission=Admission(keys, RateLimits(settings.ingest_processes)),
        writer=writer,
        replies=replies,
        waiting=waiting,
        recent_keys=RecentKeys(limit=1_000),
        changes=changes,
        reads=reads,
        providers=known,
        verifiers=verifiers,
        selector=ProviderSelector(read_rules(settings.routes_file, known), known, ProviderHealth(reads)),
        clock=lambda: NOW,
        new_id=lambda: uuid5(UUID(int=0), str(next(ids))).hex,
    )
    async with AsyncExitStack() as stack:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        server = IngestServer(server_config(dependencies, create_app(dependencies), "127.0.0.1", 0), (waiting, changes))
        task = asyncio.create_task(server._serve(sockets=[listener]))
        await until(lambda: _started(server, task))
        stack.push_async_callback(_stop, server, task)
        connector = aiohttp.TCPConnector(limit=0)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield World(settings, writer, replies, reads, book, waiting, metrics, dependencies, server, url, http)


def _started(server: IngestServer, task: "asyncio.Task[None]") -> bool:
    if task.done():
        task.result()
        raise AssertionError("the server did not start")
    return server.started


async def _stop(server: IngestServer, task: "asyncio.Task[None]") -> None:
    server.should_exit = True
    await task


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)
