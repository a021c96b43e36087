"""The gate before charges of saved methods, with a real Postgres and a real provider's book."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.messages import Envelope, ProviderRequest, ProviderResult, decode_envelope
from billing.reasons import Reason
from billing.vocabulary import Action, Lane, MethodStatus, Outcome
from ingest_api.payment_methods.postgres_methods import PostgresMethods
from runtime.clock import utc_now
from runtime.kafka.record import Incoming
from storage import saved_methods
from storage.tables import SAVED_METHODS
from streams.provider_calls.agent import ProviderAgent
from streams.provider_calls.availability import Availability
from streams.provider_calls.methods import SavedMethods
from streams.provider_calls.places import Places
from tests.support.factories import an_order
from tests.support.ingest_server import SHOP_KEY, Served, serving
from tests.support.named_providers import a_charge
from tests.support.sandbox import about, running
from tests.support.streams import Publisher, exit_process
from tests.support.yookassa import YooKassaWorld

METHOD = UUID(int=5)
CUSTOMER = an_order().customer_id


async def keep(engine: AsyncEngine, ref: str, status: str = "ACTIVE", **fields: Any) -> None:
    now = datetime.now(UTC)
    row = {
        "id": METHOD, "client_id": "shop", "customer_id": CUSTOMER, "provider": "yookassa", "method_ref": ref,
        "status": status, "status_at": now, "status_by": "payment", "created_at": now,
    }  # fmt: skip
    async with engine.begin() as connection:
        await connection.execute(insert(SAVED_METHODS).values(**(row | fields)))


async def remove(engine: AsyncEngine) -> bool:
    async with engine.begin() as connection:
        return await saved_methods.remove(
            connection, "shop", METHOD, now=datetime.now(UTC), by="client:shop", reason="asked"
        )


def of(ref: str, customer_id: str = CUSTOMER) -> ProviderRequest:
    order = msgspec.structs.replace(an_order(29_900), customer_id=customer_id)
    return msgspec.structs.replace(a_charge("yookassa", ref, order), lane=Lane.RENEWAL)


@pytest.mark.parametrize(
    ("status", "refusal"), [("ACTIVE", None), ("REMOVED", Reason.METHOD_REMOVED), ("DEAD", Reason.METHOD_DEAD)]
)
async def test_only_a_live_method_is_charged(database, status: str, refusal: Reason | None):
    await keep(database, "method-1", status)
    assert await SavedMethods(database).refusal(of("method-1")) is refusal


async def test_a_removed_method_is_its_customers_own(database):
    await keep(database, "method-1", "REMOVED")
    gate = SavedMethods(database)
    assert await gate.refusal(of("method-2")) is None
    assert await gate.refusal(of("method-1", "customer-2")) is None


async def test_a_request_without_a_saved_method_needs_no_postgres():
    gate = SavedMethods(cast("AsyncEngine", None))
    assert await gate.refusal(msgspec.structs.replace(of("method-1"), saved_method=None)) is None


async def test_a_charge_waits_while_postgres_does_not_answer_and_meets_the_removal_made_meanwhile(
    database, monkeypatch
):
    await keep(database, "method-1")
    answers = asyncio.Event()
    asked = asyncio.Event()
    read = saved_methods.status

    async def unavailable(connection: AsyncConnection, *key: str) -> MethodStatus | None:
        asked.set()
        if not answers.is_set():
            raise OSError("connection refused")
        return await read(connection, *key)

    monkeypatch.setattr(saved_methods, "status", unavailable)
    gate = asyncio.create_task(SavedMethods(database).refusal(of("method-1")))
    await asked.wait()
    assert await remove(database)
    assert not gate.done()
    answers.set()
    async with asyncio.timeout(10):
        assert await gate is Reason.METHOD_REMOVED


async def test_an_answer_that_took_long_is_not_believed(database):
    await keep(database, "method-1")
    times = iter([0.0, 0.0, 2.0, 2.0, 2.1])  # the first read takes two seconds
    assert await SavedMethods(database, lambda: next(times)).refusal(of("method-1")) is None
    assert list(times) == []


async def test_removing_twice_changes_nothing_the_second_time(database):
    await keep(database, "method-1")
    assert await remove(database)
    async with database.connect() as connection:
        first = await saved_methods.method(connection, "shop", METHOD)
    assert not await remove(database)
    async with database.connect() as connection:
        assert await saved_methods.method(connection, "shop", METHOD) == first
        assert await saved_methods.method(connection, "another", METHOD) is None
    assert first is not None
    assert (first.status, first.status_by, first.reason) == ("REMOVED", "client:shop", "asked")


@pytest.fixture
async def shop(tmp_path) -> AsyncIterator[YooKassaWorld]:
    async with running(YooKassaWorld(tmp_path)) as world:
        yield cast("YooKassaWorld", world)


@pytest.fixture
async def api(database, monkeypatch) -> AsyncIterator[Served]:
    """The REST API, with the methods in Postgres."""
    stored = PostgresMethods(database, utc_now)
    async with serving() as served:
        monkeypatch.setattr(served.methods, "method", stored.method)
        monkeypatch.setattr(served.methods, "remove", stored.remove)
        yield served


async def test_no_call_reaches_the_provider_after_the_removal_is_answered(database, shop, api: Served):
    """A thousand charges of one method are on their way when its customer removes it over REST."""
    charges = 1_000
    opened = await shop.open(save_method=True)
    await shop.customer(opened, "pay")
    seen = await shop.adapter.perform(about(opened, Action.INQUIRE))
    assert seen.observed is not None
    ref = seen.observed.method_ref
    assert ref is not None
    await keep(database, ref)
    await shop.tell("faults", fault="slow", operation="recur", rate=1.0, delay_ms=20)
    publisher = Publisher()
    providers = {"yookassa": shop.adapter}
    agent = ProviderAgent(
        database,
        publisher,
        publisher.dead_letters,
        providers,
        Availability(database, providers, "worker"),
        SavedMethods(database),
        exit_process,
        places=Places(providers, 8),
        timeout_s=10.0,
        lane=Lane.RENEWAL,
    )
    await agent.restore([0])
    await agent.process([incoming(n, of(ref)) for n in range(charges)])
    async with asyncio.timeout(60):
        while len(publisher.published) < 20:
            await asyncio.sleep(0.01)
        headers = {"Authorization": f"Bearer {SHOP_KEY}"}
        async with api.http.delete(f"{api.url}/v1/payment-methods/{METHOD}", headers=headers) as answer:
            assert answer.status == 204, await answer.text()
        answered = time.time()
        while len(publisher.published) < charges:
            await asyncio.sleep(0.01)
    results = [decode_envelope(bytes(output.value)).open() for output in publisher.published]
    ends = [(r.outcome, r.reason) for r in results if isinstance(r, ProviderResult)]
    refused = ends.count((Outcome.NOT_SENT, "method_removed"))
    assert refused > charges // 2
    book = (await shop.ask("GET", "/_sandbox/book"))["orders"]
    calls = [order["created"] for order in book if order["order_id"] != opened.order_ref]
    assert len(calls) == charges - refused
    assert max(calls) < answered + 1.0


def incoming(offset: int, request: ProviderRequest) -> Incoming:
    subject = str(request.payment_id)
    envelope = Envelope.wrap(request, id=f"request-{uuid4()}", source="/test", subject=subject, time=datetime.now(UTC))
    return Incoming(0, offset, subject.encode(), envelope.encode())
