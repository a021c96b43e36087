"""Payments are found by everything that a person may know of them, by an index, and by a bounded scan."""

import json
from datetime import timedelta
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import text

from billing.orders import FIRST, SubscriptionRef
from billing.payments.model import Payment
from billing.vocabulary import PaymentStatus
from storage.payments.search import Conditions, Place, find_by_id, find_by_reference, scan, statement
from tests.support.factories import NOW, a_create, a_payment, an_order, opened, told
from tests.support.streams import World

AT = NOW - timedelta(minutes=3)


@pytest.fixture
async def world(database) -> World:
    return World(database)


async def a_paid(world: World, *prices: int, customer: str = "c-1", currency: str = "RUB", **seen: object) -> Payment:
    order = msgspec.structs.replace(an_order(*prices, currency=currency), customer_id=customer)
    create = a_create(order=order)
    payment = a_payment(payment_id=create.payment_id, order=order)
    await world.deliver(await world.agent(), create, opened(payment), told(payment, PaymentStatus.CAPTURED, **seen))
    return await world.payment(payment.id)


async def scanned(world: World, after: Place | None = None, limit: int = 50, budget: int = 20_000, **asked: object):
    async with world.engine.connect() as connection:
        return await scan(connection, Conditions(**asked), after, limit, budget)


async def ids(world: World, **asked: object) -> set[UUID]:
    return {payment.id for payment in (await scanned(world, **asked)).payments}


async def test_a_payment_is_found_by_its_ids(world):
    payment = await a_paid(world, 100)
    await a_paid(world, 100)
    async with world.engine.connect() as connection:
        for id in (payment.id, payment.order.id, payment.charge.id):
            (found,) = await find_by_id(connection, id)
            assert found.id == payment.id
        assert await find_by_id(connection, uuid4()) == []
    assert (found.status, found.amount, found.currency, found.customer_id) == ("CAPTURED", 100, "RUB", "c-1")


async def test_a_payment_is_found_by_its_providers_names(world):
    payment = await a_paid(world, 100, aliases=("ch_1",), order_ref=None)
    async with world.engine.connect() as connection:
        (found,) = await find_by_reference(connection, "ch_1", [payment.provider])
        assert found.id == payment.id
        assert await find_by_reference(connection, "ch_1", ["another"]) == []
        assert await find_by_reference(connection, "ch_2", [payment.provider]) == []


async def test_payments_are_found_by_what_they_have(world):
    a = await a_paid(world, 29_900, method_last4="4242")
    b = await a_paid(world, 29_900, customer="c-2", method_last4="1111")
    c = await a_paid(world, 50_000, customer="c-2", currency="USD")
    yen = await a_paid(world, 29_900, currency="JPY")
    assert await ids(world) == {a.id, b.id, c.id, yen.id}
    assert await ids(world, last4="4242") == {a.id}
    assert await ids(world, amount=(29_900, 29_900)) == {a.id, b.id}
    assert await ids(world, amount=(29_900, 29_900), currency="JPY") == {yen.id}
    assert await ids(world, amount=(29_901, 60_000)) == {c.id}
    assert await ids(world, customer_id="c-2") == {b.id, c.id}
    assert await ids(world, customer_id="c-2", amount=(29_900, 29_900), last4="1111") == {b.id}
    assert await ids(world, statuses=("CAPTURED",), provider=a.provider, currency="USD") == {c.id}
    assert await ids(world, statuses=("PENDING", "AUTHORIZED")) == set()
    assert await ids(world, created_from=a.created_at, created_to=yen.created_at + timedelta(seconds=1)) != set()
    assert await ids(world, created_to=a.created_at) == set()


async def test_open_payments_are_found(world):
    create = a_create()
    await world.deliver(await world.agent(), create)
    await a_paid(world, 100)
    assert await ids(world, statuses=("PENDING", "AUTHORIZED")) == {create.payment_id}
    assert await ids(world, statuses=("AUTHORIZED",)) == set()


async def test_pages_leave_none_out_and_repeat_none(world):
    wanted = {(await a_paid(world, 100)).id for _ in range(5)}
    seen: list[UUID] = []
    after = None
    while True:
        page = await scanned(world, after, limit=2)
        seen += [payment.id for payment in page.payments]
        after = page.following
        if after is None:
            break
        assert page.is_full
    assert len(seen) == 5
    assert set(seen) == wanted


async def test_a_scan_that_spent_its_budget_says_how_far_it_looked_and_goes_on(world):
    wanted = await a_paid(world, 777)
    for _ in range(4):
        await a_paid(world, 100)
    page = await scanned(world, budget=2, amount=(700, 800))
    found, pages = list(page.payments), 1
    while page.following is not None:
        assert not page.is_full
        page = await scanned(world, page.following, budget=2, amount=(700, 800))
        found += page.payments
        pages += 1
    assert pages == 3
    assert [payment.id for payment in found] == [wanted.id]


async def test_a_subscription_finds_its_payments(world):
    subscription = SubscriptionRef(uuid4(), 1, 1, FIRST)
    order = msgspec.structs.replace(an_order(100), subscription=subscription)
    create = a_create(order=order)
    await world.deliver(await world.agent(), create)
    async with world.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE renewal_attempts DISABLE TRIGGER ALL"))
        await connection.execute(
            text(
                "INSERT INTO renewal_attempts (payment_id, subscription_id, period, number, purpose, trigger, state,"
                " amount, currency, provider, requested_at, version)"
                " VALUES (:id, :subscription, 1, 1, 'FIRST', 'CUSTOMER', 'REQUESTED', 100, 'RUB', 'p', now(), 1)"
            ),
            {"id": create.payment_id, "subscription": subscription.id},
        )
        await connection.execute(text("ALTER TABLE renewal_attempts ENABLE TRIGGER ALL"))
        assert [found.id for found in await find_by_id(connection, subscription.id)] == [create.payment_id]


MANY = """
    WITH n AS (SELECT n, gen_random_uuid() AS id FROM generate_series(1, 30000) AS n),
    o AS (
        INSERT INTO orders (id, customer_id, currency, amount, created_at)
        SELECT id, 'c-' || n % 5000, 'RUB', 1 + n % 300, now() - n * interval '1 second' FROM n
    )
    INSERT INTO payments (id, client_id, fingerprint, order_id, provider, capture_mode, status, version, order_ref,
        currency, amount, authorized, captured, refunded, refund_pending, hold_s, save_method, created_at, updated_at,
        expires_at, method_last4)
    SELECT id, 'site', 'f', id, 'yandex-pay', 'ONE_STAGE', CASE WHEN n % 500 = 0 THEN 'PENDING' ELSE 'CAPTURED' END, 1,
           'ref', 'RUB', 1 + n % 300, 0, 0, 0, 0, 1, false, now() - n * interval '1 second', now(), now(),
           lpad((n % 3000)::text, 4, '0')
    FROM n
"""


@pytest.mark.parametrize(
    ("conditions", "index"),
    [
        (Conditions(), "payments_newest"),
        (Conditions(provider="yandex-pay", amount=(1, 2)), "payments_newest"),
        (Conditions(last4="0042"), "payments_last4"),
        (Conditions(amount=(42, 42)), "payments_amount"),
        (Conditions(statuses=("PENDING",)), "payments_open"),
        (Conditions(customer_id="c-77"), "orders_customer"),
    ],
    ids=["newest", "others", "last4", "amount", "open", "customer"],
)
async def test_a_scan_reads_one_index(database, conditions: Conditions, index: str) -> None:
    async with database.begin() as connection:
        await connection.execute(text("ALTER TABLE payments DISABLE TRIGGER ALL"))
        await connection.execute(text(MANY))
        await connection.execute(text("ALTER TABLE payments ENABLE TRIGGER ALL"))
    async with database.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("ANALYZE payments, orders"))
        for after in (None, Place(NOW + timedelta(days=3650), uuid4())):
            sql, values = statement(conditions, after, 50, 1000)
            plan = (await connection.execute(text(f"EXPLAIN (FORMAT JSON) {sql}"), values)).scalar_one()
            assert f'"{index}"' in json.dumps(plan), json.dumps(plan, indent=1)
            assert "Seq Scan" not in json.dumps(plan)
