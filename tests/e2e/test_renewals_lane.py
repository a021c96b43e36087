"""Ten thousand charges wait in the renewals' lane of the real stack, or twenty thousand messages in the subscriptions' inbox,
and a checkout does not wait behind them."""

import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from billing_client import BillingClient, PaymentStatus

from billing.messages import Envelope, ProviderRequest
from billing.messages.subscription_commands import KeepSubscription
from billing.messages.topics import RENEWALS, REQUESTS, SUBSCRIPTIONS
from billing.vocabulary import Lane
from storage.streams.positions import Consumer
from tests.e2e.test_every_provider import AMOUNT, Buyer

CHARGES = 10_000
COMMANDS = 20_000
#: How long each charge takes at the provider: with 48 at once all of them would take minutes.
CHARGE_MS = 1_000
PROVIDER = "yookassa"
PATIENCE_S = 600


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30), raise_for_status=True) as session:
        yield session


@pytest.fixture
async def buyer(stack: dict[str, Any], http: aiohttp.ClientSession) -> AsyncIterator[Buyer]:
    async with BillingClient(stack["urls"]["ingest"], stack["api_key"]) as billing:
        yield Buyer(stack, PROVIDER, billing, http)


@pytest.fixture
async def postgres(stack: dict[str, Any]) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(stack["urls"]["postgres"])
    yield connection
    await connection.close()


async def charge_of(postgres: asyncpg.Connection, payment_id: UUID) -> ProviderRequest:
    """The request that charged a payment, as it went out."""
    rows = await postgres.fetch("SELECT outputs::text AS outputs FROM journal WHERE payment_id = $1", payment_id)
    sent = [output for row in rows for output in json.loads(row["outputs"]) if output["topic"] == REQUESTS.name]
    return msgspec.convert(sent[0]["value"]["data"], ProviderRequest)


async def repeat(stack: dict[str, Any], charge: ProviderRequest) -> None:
    """Put the same charge into the renewals' lane over and over: each is a call, and none moves money."""
    producer = AIOKafkaProducer(bootstrap_servers=stack["urls"]["kafka"], acks="all", linger_ms=5)
    await producer.start()
    request = msgspec.structs.replace(charge, lane=Lane.RENEWAL, reply_to=None)
    for _ in range(CHARGES):
        subject = str(request.payment_id)
        envelope = Envelope.wrap(request, id=uuid4().hex, source="/test", subject=subject, time=datetime.now(UTC))
        await producer.send(RENEWALS.name, envelope.encode(), key=uuid4().bytes)
    await producer.flush()
    await producer.stop()


async def done(postgres: asyncpg.Connection, consumer: Consumer = Consumer.RENEWALS) -> int:
    """How many messages of a consumer, by default requests of the lane, have ended, by the positions."""
    sql = "SELECT coalesce(sum(next_offset), 0) FROM stream_positions WHERE consumer = $1"
    return int(await postgres.fetchval(sql, consumer))


async def flood_subscriptions(stack: dict[str, Any]) -> None:
    """Commands to subscriptions that do not exist: each is refused, and recorded."""
    producer = AIOKafkaProducer(bootstrap_servers=stack["urls"]["kafka"], acks="all", linger_ms=5)
    await producer.start()
    for _ in range(COMMANDS):
        command = KeepSubscription(uuid4(), command_id=uuid4())
        subject = str(command.subscription_id)
        envelope = Envelope.wrap(command, id=uuid4().hex, source="/test", subject=subject, time=datetime.now(UTC))
        await producer.send(SUBSCRIPTIONS.name, envelope.encode(), key=subject.encode())
    await producer.flush()
    await producer.stop()


async def test_a_checkout_does_not_wait_behind_renewals(stack, http, postgres, buyer: Buyer):
    first, page = await buyer.open(save_method=True)
    await buyer.pay(page)
    await buyer.becomes(first, PaymentStatus.CAPTURED)
    (method, *_) = await buyer.billing.payment_methods("customer-1")
    buyer.provider = None  # the method's own
    charged = await buyer.create(payment_method_id=method.id)
    await buyer.becomes(charged.id, PaymentStatus.CAPTURED)
    charge = await charge_of(postgres, charged.id)
    faults = f"{stack['urls']['sandbox']}/_sandbox/faults"
    slow = {"fault": "slow", "provider": PROVIDER, "operation": "recur", "rate": 1.0, "delay_ms": CHARGE_MS}
    await http.post(faults, json=slow)
    deadline = time.monotonic() + PATIENCE_S
    try:
        await repeat(stack, charge)
        while await done(postgres) < 50:
            assert time.monotonic() < deadline
        buyer.provider = PROVIDER
        opened = await buyer.create()
        ended = await done(postgres)
        assert opened.payment_url is not None
        assert ended < CHARGES // 2, "most renewals still wait"
    finally:
        await http.delete(faults)
    while (ended := await done(postgres)) < CHARGES:
        assert time.monotonic() < deadline, ended
    assert (await buyer.billing.payment(charged.id)).captured == AMOUNT


async def test_a_checkout_does_not_wait_behind_messages_to_subscriptions(stack, postgres, buyer: Buyer):
    before = await done(postgres, Consumer.SUBSCRIPTIONS)
    deadline = time.monotonic() + PATIENCE_S
    await flood_subscriptions(stack)
    opened = await buyer.create()
    ended = await done(postgres, Consumer.SUBSCRIPTIONS) - before
    assert opened.payment_url is not None
    assert ended < COMMANDS, "messages still wait"
    while (ended := await done(postgres, Consumer.SUBSCRIPTIONS) - before) < COMMANDS:
        assert time.monotonic() < deadline, ended
