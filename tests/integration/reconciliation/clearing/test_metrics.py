"""What Prometheus reads of clearing."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import generate_latest

from billing.vocabulary import PaymentStatus
from providers.statements import LineKind
from reconciliation.clearing.events import publish_events
from reconciliation.clearing.job import ClearingJob
from reconciliation.metrics import Metrics
from storage.books.closing import close_day
from tests.support.clearing import DAY, SETTLEMENT, Cleared, line
from tests.support.factories import PROVIDER, a_create, a_payment, opened, shown
from tests.support.ledger import DAY as BOOKS_DAY
from tests.support.ledger import books_begin


@pytest.fixture
async def world(database: Any) -> Cleared:
    return Cleared(database)


async def look(world: Cleared) -> dict[str, float]:
    """One look of the scheduler; returns what it measured."""
    providers: Mapping[str, Any] = {PROVIDER: world.statement}
    publisher: Any = world.kafka
    metrics = Metrics()
    await ClearingJob(world.engine, publisher, providers, metrics, now=lambda: world.now).look()
    lines = generate_latest(metrics.registry).decode().splitlines()
    return {name: float(value) for name, _, value in (one.rpartition(" ") for one in lines if not one.startswith("#"))}


async def test_open_discrepancies_are_measured_by_severity_with_the_age_of_the_oldest(world: Cleared) -> None:
    await world.paid()
    world.has(line(LineKind.CHARGE, 700, order_ref="nobody's"))
    await look(world)
    world.now += timedelta(hours=2)
    measured = await look(world)
    assert measured['clearing_discrepancies_open{severity="critical"}'] == 1
    assert measured['clearing_oldest_open_seconds{severity="critical"}'] == 7_200
    assert measured['clearing_discrepancies_open{severity="info"}'] == 0, "what is only late waits for nobody"
    assert measured['clearing_oldest_open_seconds{severity="high"}'] == 0


async def test_lost_callbacks_are_measured_on_the_last_day_that_was_cleared(world: Cleared) -> None:
    await world.paid(2)
    create = a_create()
    payment = a_payment(payment_id=create.payment_id, order=create.order)
    await world.deliver(await world.agent(), create, opened(payment), shown(payment, PaymentStatus.CAPTURED))
    world.has()
    world.now = SETTLEMENT.business_day(DAY)[1] + SETTLEMENT.ready_after + timedelta(minutes=1)
    measured = await look(world)
    about = f'learnt_by="inquiry",provider="{PROVIDER}"'
    assert measured[f"clearing_lost_callbacks{{{about}}}"] == 2
    assert measured[f'clearing_movements{{provider="{PROVIDER}"}}'] == 3


async def test_events_that_are_not_published_age_until_they_are(world: Cleared) -> None:
    await world.paid()
    world.has()
    await look(world)
    world.now += timedelta(minutes=5)
    assert (await look(world))["clearing_events_late_seconds"] == 300
    publisher: Any = world.kafka
    await publish_events(world.engine, publisher)
    assert (await look(world))["clearing_events_late_seconds"] == 0


async def test_the_last_close_of_the_books_is_measured(world: Cleared) -> None:
    await books_begin(world.engine)
    assert (await look(world))["books_last_close_timestamp_seconds"] == 0
    async with world.engine.begin() as connection:
        link = await close_day(connection, BOOKS_DAY, "olga", "all explained")
    assert (await look(world))["books_last_close_timestamp_seconds"] == pytest.approx(link.day.closed_at.timestamp())
