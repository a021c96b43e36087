"""Subscriptions of the benchmark whose charge is due, and how quickly one process reads them and decides about them."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import msgspec

from billing.messages import Envelope
from billing.messages.subscription_commands import Consent, Subscribe, Wake
from billing.subscriptions.agenda import What, next_action
from billing.subscriptions.cadence import Cadence, Unit
from billing.subscriptions.model import Subscription
from billing.subscriptions.prices import Price, price_id, subscription_id
from billing.subscriptions.simulation import send
from providers.registry import PLUGINS
from runtime.clock import utc_now
from runtime.postgres import connected
from runtime.settings import Settings
from storage.job_runs import business_date
from storage.subscriptions.due import Cursor, Kind, page
from storage.subscriptions.forecast import forecast
from storage.subscriptions.rows import subscription_row
from storage.tables import SUBSCRIPTIONS
from streams.subscriptions.agent import Subscriptions

CLIENT: Final = "bench"
PROVIDER: Final = next(iter(PLUGINS))
#: Subscribed so long ago, a month is over, and so are the charging hours after it.
STARTED: Final = timedelta(days=34)
PAGE: Final = 5_000
#: Decisions that the floor is measured with.
DECISIONS: Final = 20_000


async def fill(postgres: asyncpg.Connection, number: int) -> None:
    """Store so many subscriptions that are due."""
    columns = [column.name for column in SUBSCRIPTIONS.columns]
    rows = (tuple(row[column] for column in columns) for row in _rows(number))
    await postgres.copy_records_to_table("subscriptions", records=rows, columns=columns)
    await postgres.execute("VACUUM ANALYZE subscriptions")


async def rows_scanned_per_s(settings: Settings) -> float:
    """Reading those that are due, page by page."""
    read, cursor, started = 0, Cursor(), time.perf_counter()
    async with connected(settings) as engine, engine.connect() as connection:
        while rows := await page(connection, PROVIDER, Kind.CHARGES, cursor, PAGE):
            read += len(rows)
            cursor = Cursor(rows[-1].position, rows[-1].id)
    return read / (time.perf_counter() - started)


async def plan_s(settings: Settings) -> float:
    """The forecast that a business date begins with, seconds."""
    started = time.perf_counter()
    async with connected(settings, command_timeout_s=None) as engine, engine.connect() as connection:
        today = await business_date(connection, settings.business_zone)
        await forecast(connection, settings.business_zone, today)
    return time.perf_counter() - started


def decisions_per_s() -> float:
    """Decisions about a wake-up, outputs encoded, nothing stored."""
    s, now, aggregate = _due(utc_now()), utc_now(), Subscriptions()
    wake = Wake(s.id, at=now)
    envelope = Envelope.wrap(wake, id="bench", source="/bench", subject=str(s.id), time=now)
    started = time.perf_counter()
    for _ in range(DECISIONS):
        assert aggregate.decide(s, envelope.open(), envelope, now).outputs
    return DECISIONS / (time.perf_counter() - started)


def _rows(number: int) -> Iterator[dict[str, Any]]:
    due, encode = _due(utc_now()), msgspec.json.encode
    assert due.method is not None
    for n in range(number):
        customer = f"bench-{n}"
        s = msgspec.structs.replace(
            due,
            id=subscription_id(CLIENT, due.price.group, customer),
            customer_id=customer,
            method=msgspec.structs.replace(due.method, id=uuid4()),
        )
        appointment = next_action(s)
        assert appointment is not None
        row = subscription_row(s, appointment.what.name, appointment.at)
        yield row | {"status": s.status.value, "state": encode(s).decode()}


def _due(now: datetime) -> Subscription:
    """A subscription whose next appointment is a charge, in the past."""
    at = now - STARTED
    price = Price(
        id=price_id(CLIENT, "cinema", "RUB", 1),
        plan="cinema",
        group="cinema",
        title="Cinema",
        version=1,
        currency="RUB",
        amount=39_900,
        cadence=Cadence(Unit.MONTH),
        products=("cinema",),
    )
    subscribe = Subscribe(
        subscription_id=subscription_id(CLIENT, price.group, "bench"),
        command_id=UUID(int=0),
        client_id=CLIENT,
        customer_id="bench",
        price=price,
        provider=PROVIDER,
        zone="Europe/Moscow",
        consent=Consent(uuid4(), "0" * 64),
        at=at,
    )
    *_, paid = send(None, subscribe, at)
    s = paid.decision.subscription
    while s is not None and (following := next_action(s)) is not None and following.what is not What.CHARGE:
        *_, step = send(s, Wake(s.id, at=following.at), following.at)
        s = step.decision.subscription
    assert s is not None
    return s
