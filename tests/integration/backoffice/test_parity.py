"""ClickHouse against Postgres: rows that are missing or different are reported, and sent again from the journal."""

from typing import Any
from uuid import UUID

import msgspec
import pytest
from clickhouse_connect.driver.asyncclient import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from backoffice.parity.check import check
from billing.messages import RefundPayment
from billing.messages.subscription_commands import Wake
from billing.subscriptions.vocabulary import Status
from billing.vocabulary import Action, PaymentStatus
from runtime.settings import Settings
from sinks.clickhouse.backfill import BACKFILL, backfill
from sinks.clickhouse.inserter import ClickHouseInserter
from tests.support.both_agents import BothAgents, Provider
from tests.support.factories import NOW, a_create, a_payment, an_order, opened, told
from tests.support.streams import World
from tests.support.subscriptions import subscribe

PAYMENTS = 12
ID = subscribe().subscription_id
VIEWS = ("payments", "operations", "payment_items", "ledger_entries", "payment_milestones", "provider_calls")


@pytest.fixture
async def books(database: AsyncEngine) -> World:
    """Payments: opened, some paid, some of those partly refunded."""
    world = World(database)
    agent = await world.agent()
    for n in range(PAYMENTS):
        order = msgspec.structs.replace(an_order(), metadata={"campaign": f"spring-{n}", "ёлка": "="} if n % 3 else {})
        create = a_create(UUID(int=n + 1), order=order)
        payment = a_payment(payment_id=create.payment_id, order=create.order)
        await world.deliver(agent, create, opened(payment, duration_ms=3.5))
        if n % 2:
            await world.deliver(agent, told(payment, PaymentStatus.CAPTURED))
        if n % 4 == 3:
            await world.deliver(agent, RefundPayment(payment.id, UUID(int=100 + n), "changed his mind", 100))
    return world


async def send_all(own: Settings, database: AsyncEngine, **options: Any) -> list[tuple[int, int]]:
    """Backfill; returns the reported progress."""
    steps: list[tuple[int, int]] = []
    inserter = ClickHouseInserter(own.clickhouse_url)
    try:
        await backfill(database, inserter, lambda *step: steps.append(step), **options)
    finally:
        await inserter.close()
    return steps


async def counts(client: AsyncClient) -> dict[str, int]:
    return {view: (await client.query(f"SELECT count() FROM {view}")).result_rows[0][0] for view in VIEWS}


async def test_a_backfill_makes_clickhouse_equal_to_postgres(
    books: World, own: Settings, own_clickhouse: AsyncClient, database: AsyncEngine
) -> None:
    lacking = await check(own, None, 0, repair=False)
    assert {d.kind for d in lacking.remaining} == {"payments", "operations", "ledger"}

    steps = await send_all(own, database)

    report = await check(own, None, 0, repair=False)
    assert report.groups > 5
    assert report.differences == []
    assert sum(messages for messages, _ in steps) == len(books.log.messages)
    assert await counts(own_clickhouse) == {
        "payments": 12,
        "operations": 12 + 6 + 3,
        "payment_items": 12,
        "ledger_entries": 12,
        "payment_milestones": 12,
        "provider_calls": 12,
    }


async def test_payments_can_be_counted_by_their_metadata(
    books: World, own: Settings, own_clickhouse: AsyncClient, database: AsyncEngine
) -> None:
    await send_all(own, database)

    found = await own_clickhouse.query("SELECT payment_id FROM payments WHERE metadata['campaign'] = 'spring-4'")
    assert found.result_rows == [(UUID(int=5),)]


@pytest.mark.parametrize("way", ["backfill", "repair"])
async def test_events_of_a_release_without_metadata_get_those_of_the_books(
    way: str, books: World, own: Settings, own_clickhouse: AsyncClient, database: AsyncEngine
) -> None:
    async with database.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(
            text(
                """
                UPDATE journal SET outputs = (
                    SELECT jsonb_agg(output #- '{value,data,metadata}') FROM jsonb_array_elements(outputs) AS output
                ) WHERE jsonb_array_length(outputs) > 0
                """
            )
        )
    if way == "backfill":
        await send_all(own, database)
    else:
        await check(own, None, 0, repair=True)

    assert (await check(own, None, 0, repair=False)).differences == []
    found = await own_clickhouse.query("SELECT count() FROM payments WHERE mapContains(metadata, 'campaign')")
    assert found.result_rows == [(8,)]


async def test_a_second_backfill_changes_nothing(
    books: World, own: Settings, own_clickhouse: AsyncClient, database: AsyncEngine
) -> None:
    await send_all(own, database)
    before = await counts(own_clickhouse)

    assert await send_all(own, database, chunk=5)

    assert await counts(own_clickhouse) == before
    assert (await check(own, None, 0, repair=False)).differences == []


async def test_a_backfill_that_was_stopped_continues_from_there(
    books: World, own: Settings, database: AsyncEngine
) -> None:
    class Stop(Exception):
        pass

    seen: list[int] = []

    def stop(messages: int, _operations: int) -> None:
        seen.append(messages)
        if len(seen) == 3:
            raise Stop

    inserter = ClickHouseInserter(own.clickhouse_url)
    with pytest.raises(Stop):
        await backfill(database, inserter, stop, chunk=5)
    await inserter.close()
    assert seen == [0, 5, 5]
    assert (await check(own, None, 0, repair=False)).differences

    steps = await send_all(own, database, chunk=5)

    assert steps[0] == (10, 0)
    assert sum(messages for messages, _ in steps) == len(books.log.messages)
    assert (await check(own, None, 0, repair=False)).differences == []
    assert await books.rows("SELECT 1 FROM stream_positions WHERE consumer = :name", name=BACKFILL) == []


@pytest.mark.parametrize(
    ("statement", "kinds"),
    [
        ("DELETE FROM payment_versions WHERE payment_id = '{id}'", {"payments"}),
        ("DELETE FROM operation_versions WHERE payment_id = '{id}'", {"operations"}),
        ("DELETE FROM ledger_entry_versions WHERE payment_id = '{id}'", {"ledger"}),
        ("ALTER TABLE payment_versions UPDATE captured = captured + 1 WHERE payment_id = '{id}'", {"payments"}),
        ("ALTER TABLE payment_versions UPDATE metadata = map('campaign', 'x') WHERE payment_id = '{id}'", {"payments"}),
        (
            "ALTER TABLE operation_versions UPDATE status = 'FAIL' WHERE payment_id = '{id}' AND type = 'CAPTURE'",
            {"operations"},
        ),
        ("ALTER TABLE ledger_entry_versions UPDATE amount = amount + 1 WHERE payment_id = '{id}'", {"ledger"}),
    ],
)
async def test_missing_and_different_rows_are_reported_and_repaired(
    statement: str,
    kinds: set[str],
    books: World,
    own: Settings,
    own_clickhouse: AsyncClient,
    database: AsyncEngine,
) -> None:
    await send_all(own, database)
    await own_clickhouse.command(statement.format(id=UUID(int=4)), settings={"mutations_sync": 1})

    reported = await check(own, NOW.date(), 0, repair=False)
    assert {difference.kind for difference in reported.remaining} == kinds
    assert reported.payments_sent == 0

    repaired = await check(own, NOW.date(), 0, repair=True)
    assert repaired.payments_sent == 1
    assert repaired.remaining == []


async def test_what_was_repaired_before_is_repaired_again(
    books: World, own: Settings, own_clickhouse: AsyncClient, database: AsyncEngine
) -> None:
    await send_all(own, database)
    for _ in range(2):
        await own_clickhouse.command(
            f"DELETE FROM payment_versions WHERE payment_id = '{UUID(int=4)}'", settings={"mutations_sync": 1}
        )
        assert (await check(own, None, 0, repair=True)).remaining == []


async def test_rows_missing_in_postgres_are_listed_and_stay_a_difference(
    books: World, own: Settings, database: AsyncEngine
) -> None:
    await send_all(own, database)
    async with database.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(text("DELETE FROM operations WHERE payment_id = :id"), {"id": UUID(int=1)})

    report = await check(own, None, 0, repair=True)

    assert [row.split()[0] for row in report.extra_rows] == ["operations"]
    assert {difference.kind for difference in report.remaining} == {"operations"}


async def test_another_day_has_nothing_to_compare(books: World, own: Settings) -> None:
    report = await check(own, NOW.date().replace(day=1), 0, repair=False)

    assert (report.groups, report.remaining) == (0, [])


@pytest.fixture
async def subscriptions(database: AsyncEngine) -> BothAgents:
    """A subscription whose second renewal is declined, and its payments, in the books."""
    agents = BothAgents(
        database, Provider(lambda r: None if r.action is Action.CREATE else "insufficient_funds"), partition=1
    )
    await agents.start()
    await agents.send(subscribe())
    for _ in range(3):
        agents.now = await agents.next_at(ID)
        await agents.send(Wake(ID, at=agents.now))
    assert (await agents.subscription(ID)).status is Status.PAST_DUE
    return agents


async def test_a_backfill_sends_subscriptions_with_their_periods_and_attempts(
    books: World, subscriptions: BothAgents, own: Settings, own_clickhouse: AsyncClient, database: AsyncEngine
) -> None:
    lacking = await check(own, None, 0, repair=False)
    assert {d.kind for d in lacking.remaining} >= {"subscriptions", "periods", "attempts"}

    steps = await send_all(own, database, chunk=3)

    assert (await check(own, None, 0, repair=False)).differences == []
    assert sum(messages for messages, _ in steps) == len(books.log.messages) + sum(
        len(log.messages) for log in subscriptions.inboxes.values()
    )
    changes = await own_clickhouse.query("SELECT version FROM subscription_changes ORDER BY version")
    latest = (await subscriptions.subscription(ID)).version
    assert [row[0] for row in changes.result_rows] == list(range(1, latest + 1))
    assert await books.rows("SELECT 1 FROM stream_positions WHERE consumer = :name", name=BACKFILL) == []


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("DELETE FROM subscription_versions WHERE 1", "subscriptions"),
        ("ALTER TABLE subscription_versions UPDATE provider = 'x' WHERE 1", "subscriptions"),
        ("DELETE FROM subscription_period_versions WHERE 1", "periods"),
        ("ALTER TABLE subscription_period_versions UPDATE amount = amount + 1 WHERE 1", "periods"),
        ("DELETE FROM renewal_attempt_versions WHERE period = 2", "attempts"),
        ("ALTER TABLE renewal_attempt_versions UPDATE state = 'PAID' WHERE state = 'FAILED'", "attempts"),
    ],
)
async def test_missing_and_different_rows_of_subscriptions_are_reported_and_repaired(
    statement: str,
    kind: str,
    subscriptions: BothAgents,
    own: Settings,
    own_clickhouse: AsyncClient,
    database: AsyncEngine,
) -> None:
    await send_all(own, database)
    await own_clickhouse.command(statement, settings={"mutations_sync": 1})

    reported = await check(own, None, 0, repair=False)
    assert {difference.kind for difference in reported.remaining} == {kind}

    repaired = await check(own, None, 0, repair=True)
    assert (repaired.subscriptions_sent, repaired.payments_sent) == (1, 0)
    assert repaired.remaining == []
