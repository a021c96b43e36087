"""The ingest API with fakes around it: in the process of the test (:func:`ingest`), or on a port (:func:`serving`)."""

import asyncio
import hashlib
import itertools
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import unquote
from uuid import UUID, uuid5

import aiohttp
from starlette.datastructures import Headers
from starlette.types import ASGIApp
from starlette.types import Message as AsgiMessage

from billing.messages import CreatePayment, Message, PaymentChanged, Refusal, Reply
from billing.messages.subscription_events import SubscriptionChanged
from billing.messages.topics import EVENTS, SUBSCRIPTION_EVENTS
from billing.payments.decide import decide
from billing.payments.decision import snapshot
from billing.payments.model import Payment
from billing.subscriptions.decide import decide as decide_subscription
from billing.vocabulary import CaptureMode, PaymentStatus
from ingest_api.app import create_app
from ingest_api.auth.admission import Admission, RateLimits
from ingest_api.dependencies import Dependencies
from ingest_api.edge.idempotency import RecentKeys
from ingest_api.edge.uvicorn_server import IngestServer, server_config
from ingest_api.instance import Instance
from ingest_api.kafka.change_streams import StreamPlaces
from ingest_api.kafka.replies import WaitingRequests
from ingest_api.metrics import Metrics
from ingest_api.routing.provider_health import ProviderHealth
from ingest_api.routing.selection import ProviderSelector, read_rules
from providers.base import CallbackVerifier
from providers.registry import PLUGINS, read_capabilities
from runtime.settings import Settings
from storage.access.key_ring import KeyRing
from tests.support.ingest_fakes import (
    NOW,
    FakeKeyStore,
    FakeMethods,
    FakePlans,
    FakeReads,
    FakeReplies,
    FakeSubscriptions,
    FakeTestClocks,
    FakeVerifier,
    NoKafkaChanges,
    RecordingWriter,
)

SITE_KEY = "site-key-1"
SHOP_KEY = "shop-key-1"

Verifiers = Mapping[str, CallbackVerifier]


def valid_body() -> dict[str, Any]:
    """A valid request for a payment."""
    return {
        "customer_id": "c-1842",
        "currency": "RUB",
        "amount": 129700,
        "provider": "yandex-pay",
        "capture_mode": "ONE_STAGE",
        "cart": {
            "items": [
                {"product_id": "film-77", "title": "Сталкер", "quantity": 1, "unit_price": 49900, "tax": "vat20"},
                {"product_id": "pass-1", "title": "Pass", "quantity": 2, "unit_price": 39900, "type": "DIGITAL"},
            ]
        },
        "return_urls": {"success": "https://cinema.example/ok", "failure": "https://cinema.example/no?a=1"},
        "contact": {"email": "viewer@example.com", "phone": "+79001234567"},
        "metadata": {"campaign": "spring"},
    }


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
    """The API of one test, and the fakes around it."""

    settings: Settings
    writer: RecordingWriter
    replies: FakeReplies
    reads: FakeReads
    methods: FakeMethods
    plans: FakePlans
    subscriptions: FakeSubscriptions
    test_clocks: FakeTestClocks
    book: FakeKeyStore
    waiting: WaitingRequests
    metrics: Metrics
    dependencies: Dependencies
    app: ASGIApp
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

    async def send(
        self, method: str, path: str, headers: Iterable[tuple[str, str]] = (), body: bytes | None = None
    ) -> "Answer":
        """One request, without a socket in between."""
        return await request(self.app, method, path, headers, body)

    async def create(self, body: Any, **headers: str | None) -> "Answer":
        sent = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else _json(body)
        return await self.send("POST", "/v1/payments", self.headers(**headers).items(), sent)

    async def act(self, payment_id: UUID, name: str, body: Any, **headers: str | None) -> "Answer":
        """Capture, void, refund or cancel."""
        path = f"/v1/payments/{payment_id}/{name}"
        return await self.send("POST", path, self.headers(**headers).items(), _json(body))

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

    async def command(self, method: str, path: str, body: Any, **headers: str | None) -> "Answer":
        """A request with a body, as :meth:`headers` says."""
        return await self.send(method, path, self.headers(**headers).items(), _json(body))

    def deciding_subscriptions(self, *then: Callable[[Any], Message]) -> None:
        """From now on commands to subscriptions are decided and answered, each payment that they ask for followed by what
        ``then`` makes of it."""

        def answer(message: Message) -> None:
            waiting: list[Message] = [message]
            while waiting:
                message = waiting.pop(0)
                s = self.subscriptions.kept.get(message.subject_id)
                decision = decide_subscription(s, message, NOW)
                if decision.subscription is not None:
                    self.subscriptions.kept[message.subject_id] = decision.subscription
                if decision.event is not None:
                    self.subscriptions.journal.append(decision.event)
                if decision.reply is not None:
                    self.waiting.resolve(decision.reply)
                created = [payment for payment in decision.payments if isinstance(payment, CreatePayment)]
                waiting += [make(payment) for payment in created for make in then]

        self.writer.on_store = answer

    async def get(self, path: str, **headers: str) -> "Answer":
        return await self.send("GET", path, headers.items())

    async def callback(self, body: bytes, **headers: str) -> "Answer":
        return await self.send("POST", "/webhooks/yandex-pay/v1/webhook", headers.items(), body)

    def replying(self, *, replayed: bool = False, **changes: Any) -> None:
        """From now on every command is answered at once with its payment."""

        def answer(command: Message) -> None:
            assert isinstance(command, CreatePayment)
            if command.reply_to is not None:
                payment = payment_of(command, **changes)
                self.waiting.resolve(
                    Reply(command.payment_id, command.reply_to.correlation_id, payment, replayed=replayed)
                )

        self.writer.on_store = answer

    def refusing(self, code: str, detail: str) -> None:
        """From now on every command is refused."""

        self.writer.on_store = lambda command: self.refuse(command, code, detail)

    def refuse(self, command: Any, code: str, detail: str) -> None:
        """Answer the caller that waits for ``command`` with a refusal."""
        refusal = Refusal(code, detail)
        self.waiting.resolve(Reply(command.payment_id, command.reply_to.correlation_id, refusal=refusal))


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    raw: bytes

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


def no_postgres() -> NoReturn:
    """The settings say which instance this is: no lease is needed."""
    raise AssertionError


def world(verifiers: Verifiers | None = None, **overrides: Any) -> World:
    """An API of its own, nothing started; ``overrides`` change settings. Without ``verifiers`` there is one
    provider, with a fake."""
    hashes = {name: hashlib.sha256(key.encode()).hexdigest() for name, key in (("site", SITE_KEY), ("shop", SHOP_KEY))}
    settings = Settings(
        **{
            "api_keys": hashes,
            "ingest_instance": 0,
            "ingest_processes": 1,
            "wait_default_s": 5.0,
            "body_limit_bytes": 8192,
            "test_clocks": True,
            "ingest_event_streams": 5,
            "ingest_event_streams_per_client": 3,
            **overrides,
        }
    )
    metrics = Metrics()
    waiting = WaitingRequests(metrics, limit=200)
    places = StreamPlaces(settings, metrics, connections=100)
    plans, subscriptions = FakePlans(), FakeSubscriptions()
    writer, replies, reads, book = RecordingWriter(), FakeReplies(), FakeReads(), FakeKeyStore()
    methods, test_clocks = FakeMethods(), FakeTestClocks()
    ids = itertools.count()
    verifiers = {"yandex-pay": FakeVerifier()} if verifiers is None else verifiers
    known = {name: PLUGINS[name] for name in verifiers}
    dependencies = Dependencies(
        settings=settings,
        instance=Instance(settings, no_postgres),
        metrics=metrics,
        admission=Admission(
            KeyRing(settings.api_keys, book, clock=lambda: NOW, refresh_s=300, default_rate_per_s=0.001),
            RateLimits(lambda: 1),
        ),
        writer=writer,
        replies=replies,
        waiting=waiting,
        recent_keys=RecentKeys(limit=1_000),
        changes=NoKafkaChanges(settings, places, PaymentChanged, EVENTS),
        subscription_changes=NoKafkaChanges(settings, places, SubscriptionChanged, SUBSCRIPTION_EVENTS),
        reads=reads,
        methods=methods,
        plans=plans,
        subscriptions=subscriptions,
        test_clocks=test_clocks,
        providers=known,
        verifiers=verifiers,
        sandboxes=frozenset(known),
        selector=ProviderSelector(
            read_rules(settings.routes_file, known),
            read_capabilities({name: plugin.callback_settings() for name, plugin in known.items()}),
            ProviderHealth(reads),
        ),
        clock=lambda: NOW,
        new_id=lambda: uuid5(UUID(int=0), str(next(ids))).hex,
    )
    app = create_app(dependencies)
    return World(
        settings,
        writer,
        replies,
        reads,
        methods,
        plans,
        subscriptions,
        test_clocks,
        book,
        waiting,
        metrics,
        dependencies,
        app,
    )


@asynccontextmanager
async def ingest(verifiers: Verifiers | None = None, **overrides: Any) -> AsyncIterator[World]:
    """The API in the process of the test, its keys loaded."""
    made = world(verifiers, **overrides)
    await made.dependencies.admission.keys.refresh()
    yield made


async def request(
    app: ASGIApp,
    method: str,
    path: str,
    headers: Iterable[tuple[str, str]],
    body: bytes | None,
    client: str = "127.0.0.1",
) -> Answer:
    """One request to an ASGI application, from a client that stays connected."""
    url, _, query = path.partition("?")
    sent: list[AsgiMessage] = [{"type": "http.request", "body": body or b"", "more_body": False}]
    received: list[AsgiMessage] = []

    async def receive() -> AsgiMessage:
        return sent.pop() if sent else await asyncio.Future()

    async def send(message: AsgiMessage) -> None:
        received.append(message)

    raw = [(b"host", b"billing"), *((name.lower().encode(), value.encode()) for name, value in headers)]
    if body is not None:
        raw.append((b"content-length", b"%d" % len(body)))
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(url),
        "raw_path": url.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": raw,
        "client": (client, 50_000),
        "server": ("billing", 80),
    }
    await app(scope, receive, send)
    start, *parts = received
    content = b"".join(part.get("body", b"") for part in parts)
    return Answer(start["status"], Headers(raw=start["headers"]), content)


@dataclass(kw_only=True)
class Served(World):
    """The API on a port of its own."""

    server: IngestServer
    url: str
    http: aiohttp.ClientSession

    async def send(
        self, method: str, path: str, headers: Iterable[tuple[str, str]] = (), body: bytes | None = None
    ) -> Answer:
        async with self.http.request(method, self.url + path, data=body, headers=list(headers)) as response:
            return Answer(response.status, response.headers, await response.read())


@asynccontextmanager
async def serving(verifiers: Verifiers | None = None, **overrides: Any) -> AsyncIterator[Served]:
    """Serve the API on a free port."""
    made = world(verifiers, **overrides)
    dependencies = made.dependencies
    async with AsyncExitStack() as stack:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        config = server_config(dependencies, made.app, "127.0.0.1", 0)
        server = IngestServer(config, (dependencies.waiting, dependencies.changes, dependencies.subscription_changes))
        task = asyncio.create_task(server._serve(sockets=[listener]))
        await until(lambda: _started(server, task))
        stack.push_async_callback(_stop, server, task)
        connector = aiohttp.TCPConnector(limit=0)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield Served(**vars(made), server=server, url=url, http=http)


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
