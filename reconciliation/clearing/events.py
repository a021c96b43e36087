"""Events of clearing: those that a run writes, and the publishing of all events.

An event is a row, written in the transaction of the change that it is about. Publishing reads the rows that are not
published yet: so it includes the decisions of people, and what a process that died had not published.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.clearing.discrepancies import State
from billing.messages.clearing_events import ClearingMessage, DayCleared, LostCallbacks, PayoutStated
from billing.messages.topics import CLEARING_EVENTS
from providers.settlement import Settlement
from runtime.kafka.publisher import Publisher, outbound
from storage.clearing import days, events
from storage.clearing.discrepancies import by_kind
from storage.clearing.lines import counts
from storage.job_runs import JobRun
from storage.processes.locks import Lock, writing

SOURCE: Final = "/reconciliation/clearing"
#: Events held in memory at once.
PAGE: Final = 500
_NAMESPACE: Final = UUID("6e0c7a52-44f1-4d0e-8f0b-52a1f0a3c9d4")


async def note_day(
    connection: AsyncConnection, provider: str, settlement: Settlement, run: JobRun, now: datetime
) -> None:
    """Write what a day adds up to and its payouts, where that has changed, in the caller's transaction."""
    day = run.business_date
    number = await counts(connection, provider, day)
    cleared = DayCleared(
        **_about(provider, day, "day", now),
        state="suspect" if run.is_braked else "open" if run.finished_at is None else "done",
        reason=run.brake if run.is_braked else run.counts.get("reason"),
        lines=number.lines,
        loose=number.loose,
        booked=await days.booked(connection, provider, *settlement.business_day(day)),
        stated=await days.stated(connection, provider, day, settlement.zone, settlement.cut_off),
        discrepancies=await _not_closed(connection, provider, day),
    )
    payouts = [
        PayoutStated(
            **_about(provider, day, f"payout|{p.line_ref}#{p.occurrence}", now),
            kind=p.kind, line=p.line_ref, currency=p.currency, amount=p.amount, at=p.at, payout_ref=p.payout_ref,
            fee=p.fee, available_on=p.available_on, withdrawn=p.withdrawn,
        )
        for p in await days.payouts(connection, provider, day)
    ]  # fmt: skip
    await events.add_changed(connection, [cleared, *payouts])


async def note_lost_callbacks(
    connection: AsyncConnection, provider: str, settlement: Settlement, of: Sequence[date], now: datetime
) -> None:
    """Count the lost callbacks of these days again, in the caller's transaction: an end may be learnt days later."""
    found: list[ClearingMessage] = []
    for day in of:
        learnt_by = await days.not_told(connection, provider, *settlement.business_day(day))
        found.append(LostCallbacks(**_about(provider, day, "lost_callbacks", now), learnt_by=learnt_by))
    await events.add_changed(connection, found)


async def publish_events(engine: AsyncEngine, publisher: Publisher) -> int:
    """Publish what is not published yet, in order; returns how many. One process at a time. Whoever dies between
    publishing and its record publishes them again, under the same ids."""
    published = 0
    async with writing(engine, Lock.CLEARING_EVENTS, CLEARING_EVENTS.name) as connection:
        while connection is not None:
            async with connection.begin():
                page = await events.unpublished(connection, PAGE)
            if not page:
                break
            await publisher.publish(
                [
                    outbound(
                        CLEARING_EVENTS,
                        m,
                        id=f"{m.TYPE}/{m.id}/{m.version}",
                        source=SOURCE,
                        time=m.changed_at,
                        key=m.key,
                    )
                    for _, m in page
                ]
            )
            async with connection.begin():
                await events.mark_published(connection, [number for number, _ in page])
            published += len(page)
    return published


def _about(provider: str, day: date, what: str, now: datetime) -> dict[str, Any]:
    """The fields of an event whose version is the next one of its subject."""
    id = uuid5(_NAMESPACE, f"{provider}|{day}|{what}")
    return {"id": id, "version": 0, "changed_at": now, "provider": provider, "business_date": day}


async def _not_closed(connection: AsyncConnection, provider: str, day: date) -> dict[str, int]:
    found: dict[str, int] = {}
    for kind, state, number in await by_kind(connection, provider, day):
        if state is not State.CLOSED:
            found[kind.value] = found.get(kind.value, 0) + number
    return found
