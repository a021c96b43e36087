"""Lists of payments in the books: what each filter finds, and that an index finds it."""

import json
from datetime import timedelta
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import text

from billing.vocabulary import PaymentStatus
from storage.payments.lists import Cursor, Filters, find_payment, list_payments, statement
from tests.support.factories import NOW, a_create, a_payment, an_order, opened, told
from tests.support.streams import World


@pytest.fixture
async def books(database) -> tuple[World, dict[str, UUID]]:
    """Payments of two clients in several states, one with metadata."""
    world = World(database)
    agent = await world.agent()
    ids = {}
    for name, client, fields in (
        ("plain", "site", {}),
        ("paid", "site", {"customer_id": "customer-2"}),
        ("campaign", "site", {"metadata": {"campaign": "spring", "shop": "1"}}),
        ("foreign", "shop", {"metadata": {"campaign": "spring"}}),
    ):
        create = a_create(client_id=client, order=msgspec.structs.replace(an_order(), **fields))
        payment = a_payment(payment_id=create.payment_id, order=create.order)
        await world.deliver(agent, create, opened(payment))
        if name == "paid":
            await world.deliver(agent, told(payment, PaymentStatus.CAPTURED))
        ids[name] = payment.id
    return world, ids


async def found(world: World, filters: Filters, after: Cursor | None = None, limit: int = 10) -> set[UUID]:
    async with world.engine.connect() as connection:
        return {payment.id for payment in await list_payments(connection, "site", filters, after, limit)}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), {"plain", "paid", "campaign"}),
        (Filters(customer_id="customer-2"), {"paid"}),
        (Filters(status="CAPTURED"), {"paid"}),
        (Filters(provider="yandex-pay"), {"plain", "paid", "campaign"}),
        (Filters(provider="another"), set()),
        (Filters(created_from=NOW, created_to=NOW + timedelta(seconds=1)), {"plain", "paid", "campaign"}),
        (Filters(created_to=NOW), set()),
        (Filters(metadata={"campaign": "spring"}), {"campaign"}),
        (Filters(metadata={"campaign": "spring", "shop": "1"}), {"campaign"}),
        (Filters(metadata={"campaign": "spring", "shop": "2"}), set()),
        (Filters(customer_id="customer-1", status="PENDING", metadata={"shop": "1"}), {"campaign"}),
    ],
)
async def test_a_filter_finds_the_clients_own_payments(books, filters: Filters, expected: set[str]) -> None:
    world, ids = books
    assert await found(world, filters) == {ids[name] for name in expected}


async def test_pages_of_payments_that_share_their_moment_leave_none_out(books) -> None:
    world, ids = books
    seen: list[UUID] = []
    after = None
    async with world.engine.connect() as connection:
        while page := await list_payments(connection, "site", Filters(), after, 1):
            seen += [payment.id for payment in page]
            after = Cursor(page[-1].created_at, page[-1].id)
    assert sorted(seen) == sorted(ids[name] for name in ("plain", "paid", "campaign"))


@pytest.fixture(scope="module")
def many() -> str:
    """20 000 payments, one in ten of the client, one in a thousand with metadata. A client that has most payments needs no
    index of its own."""
    return """
        WITH n AS (SELECT n, gen_random_uuid() AS id FROM generate_series(1, 20000) AS n),
        o AS (
            INSERT INTO orders SELECT id, 'c-' || n % 5000, 'RUB', 100, NULL, NULL,
                   CASE WHEN n % 1000 = 0 THEN jsonb_build_object('n', n::text) ELSE '{}' END, now()
            FROM n
        )
        INSERT INTO payments
        SELECT id, CASE WHEN n % 10 = 0 THEN 'site' ELSE 'app' END, 'f', id, 'yandex-pay', 'ONE_STAGE',
               CASE WHEN n % 500 = 0 THEN 'FAILED' ELSE 'CAPTURED' END,
               1, 'ref', 'RUB', 100, 0, 0, 0, 0, NULL, NULL, 1, false, NULL, NULL, now() - n * interval '1 second',
               now(), now()
        FROM n
    """


@pytest.mark.parametrize(
    ("filters", "indexes"),
    [
        (Filters(), {"payments_list"}),
        (Filters(provider="yandex-pay"), {"payments_list"}),
        (Filters(created_from=NOW - timedelta(days=3650), created_to=NOW + timedelta(days=3650)), {"payments_list"}),
        (Filters(status="FAILED"), {"payments_list_status"}),
        (Filters(customer_id="c-70"), {"orders_customer"}),
        (Filters(metadata={"n": "1000"}), {"orders_metadata"}),
    ],
    ids=["all", "provider", "time", "status", "customer", "metadata"],
)
async def test_a_page_is_found_by_its_index(database, many: str, filters: Filters, indexes: set[str]) -> None:
    async with database.begin() as connection:
        await connection.execute(text("ALTER TABLE payments DISABLE TRIGGER ALL"))
        await connection.execute(text(many))
        await connection.execute(text("ALTER TABLE payments ENABLE TRIGGER ALL"))
    async with database.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("ANALYZE payments, orders"))
        for after in (None, Cursor(NOW + timedelta(days=3650), uuid4())):
            sql, parameters = statement(filters, "site", after, 20)
            plan = (await connection.execute(text(f"EXPLAIN (FORMAT JSON) {sql}"), parameters)).scalar_one()
            assert indexes <= _indexes(plan), json.dumps(plan, indent=1)
            assert "Seq Scan" not in json.dumps(plan)


def _indexes(node: object) -> set[str]:
    if isinstance(node, dict):
        own = {node["Index Name"]} if "Index Name" in node else set()
        return own.union(*map(_indexes, node.values()))
    return set().union(*map(_indexes, node)) if isinstance(node, list) else set()


async def test_a_payment_is_there_for_its_own_client_only(books) -> None:
    world, ids = books
    async with world.engine.connect() as connection:
        own = await find_payment(connection, "site", ids["plain"])
        assert own is not None
        assert own.id == ids["plain"]
        assert await find_payment(connection, "shop", ids["plain"]) is None
        assert await find_payment(connection, "site", uuid4()) is None
