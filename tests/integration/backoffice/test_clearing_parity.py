"""ClickHouse against Postgres, of clearing: what is missing or different is reported, and sent again."""

from typing import Any

import pytest
from clickhouse_connect.driver.asyncclient import AsyncClient
from sqlalchemy.ext.asyncio import AsyncEngine

from backoffice.parity.backfill import backfill
from backoffice.parity.check import check
from billing.clearing.discrepancies import Event
from providers.statements import LineKind
from runtime.settings import Settings
from tests.support.clearing import DAY, Cleared, charge, line


@pytest.fixture
async def books(database: AsyncEngine) -> Cleared:
    """A day that was cleared: a discrepancy that somebody has claimed, a payout, no lost callback."""
    world = Cleared(database)
    (payment,) = await world.paid()
    world.has(charge(payment, fee=30), line(LineKind.CHARGE, 700, order_ref="nobody's"), line(LineKind.PAYOUT, -5))
    await world.clear()
    await world.decide(Event.CLAIMED, owner="ann")
    return world


async def send_all(own: Settings) -> None:
    await backfill(own, lambda _done, _total: None, restart=True)


async def test_a_backfill_sends_what_clearing_told(books: Cleared, own: Settings, own_clickhouse: AsyncClient) -> None:
    lacking = await check(own, None, 0, repair=False)
    assert {d.kind for d in lacking.remaining} >= {"discrepancies", "clearing"}
    for _ in range(2):
        await send_all(own)
        assert (await check(own, None, 0, repair=False)).differences == []
    found = await own_clickhouse.query("SELECT kind, state, owner, difference, version FROM discrepancies")
    assert found.result_rows == [("unknown_payment", "PERSON", "ann", 700, 2)]
    assert (await own_clickhouse.query("SELECT sum(fee), sum(lines) FROM statement_totals")).result_rows == [(30, 3)]


@pytest.mark.parametrize(
    ("statement", "kinds"),
    [
        ("DELETE FROM discrepancy_versions WHERE true", {"discrepancies"}),
        ("ALTER TABLE discrepancy_versions UPDATE state = 'CLOSED' WHERE true", {"discrepancies"}),
        ("ALTER TABLE discrepancy_versions UPDATE difference = 1 WHERE true", {"discrepancies"}),
        ("DELETE FROM clearing_day_versions WHERE true", {"clearing"}),
        ("DELETE FROM payout_versions WHERE true", {"clearing"}),
        ("DELETE FROM lost_callback_versions WHERE true", {"clearing"}),
    ],
)
async def test_missing_and_different_rows_of_clearing_are_reported_and_repaired(
    statement: str, kinds: set[str], books: Cleared, own: Settings, own_clickhouse: AsyncClient
) -> None:
    await send_all(own)
    await own_clickhouse.command(statement, settings={"mutations_sync": 1})
    reported = await check(own, None, 0, repair=False)
    assert {difference.kind for difference in reported.remaining} == kinds
    repaired = await check(own, None, 0, repair=True)
    assert (repaired.clearing_sent, repaired.payments_sent, repaired.remaining) == (1, 0, [])


async def test_a_day_of_clearing_is_compared_by_its_business_date(
    books: Cleared, own: Settings, own_clickhouse: AsyncClient
) -> None:
    await send_all(own)
    await own_clickhouse.command("DELETE FROM payout_versions WHERE true", settings={"mutations_sync": 1})
    reported: Any = await check(own, DAY, 0, repair=False)
    assert [(d.kind, d.day, d.state) for d in reported.remaining] == [("clearing", DAY, "billing.clearing.payout.v1")]
