"""Discrepancies: read, claimed, resolved, reopened."""

from datetime import date, timedelta
from typing import Final, Literal
from uuid import UUID

import msgspec

from backoffice.operators import ActionRefused, InvalidArgument, Operator, recorded
from billing.clearing.discrepancies import ACCEPTABLE, FINAL_RESOLUTIONS, Event, Kind, Resolution, State
from billing.messages import RecordMovement
from billing.messages.topics import INBOX
from providers.registry import PLUGINS
from reconciliation.clearing.job import job_name
from reconciliation.clearing.run import SOURCE
from runtime.clock import utc_now
from runtime.kafka.clients import new_producer
from runtime.kafka.publisher import Publisher, outbound
from runtime.postgres import connected
from runtime.settings import PostgresSettings, Settings
from storage import job_runs
from storage.clearing import discrepancies
from storage.clearing.discrepancies import Discrepancy, HistoryEntry, Refused

#: What one person may write off alone, minor units.
WRITE_OFF_ALONE: Final = 100_000


class Found(msgspec.Struct, frozen=True):
    """A discrepancy with its history."""

    discrepancy: Discrepancy
    history: list[HistoryEntry]


async def listed(
    settings: PostgresSettings,
    *,
    provider: str | None = None,
    day: date | None = None,
    kind: Kind | None = None,
    state: State | None = None,
    payment_id: UUID | None = None,
    limit: int,
) -> list[Discrepancy]:
    """Discrepancies, the most urgent first. ``state``: ``None`` for all that are not closed."""
    async with connected(settings) as engine, engine.connect() as connection:
        return await discrepancies.listed(
            connection, provider=provider, day=day, kind=kind, state=state, payment_id=payment_id, limit=limit
        )


async def show(settings: PostgresSettings, id: UUID) -> Found:
    """One discrepancy. Raises :class:`ActionRefused` where there is none."""
    async with connected(settings) as engine, engine.connect() as connection:
        found = await discrepancies.one(connection, id)
        if found is None:
            raise ActionRefused(f"there is no discrepancy {id}")
        return Found(found, await discrepancies.history(connection, id))


async def claim(settings: PostgresSettings, operator: Operator, id: UUID) -> Discrepancy:
    """Take a discrepancy on under the operator's name."""
    return await _decide(settings, operator, id, Event.CLAIMED, "claim_discrepancy", owner=operator.name)


async def reopen(settings: PostgresSettings, operator: Operator, id: UUID) -> Discrepancy:
    """Take a decision back."""
    return await _decide(settings, operator, id, Event.REOPENED, "reopen_discrepancy", resolution=None, confirm_by=None)


async def resolve(
    settings: Settings,
    operator: Operator,
    id: UUID,
    resolution: Resolution,
    *,
    second: str | None = None,
    seen: int | None = None,
) -> Discrepancy:
    """Decide on a discrepancy. A statement has to confirm it, unless it is written off or accepted. ``second``: who agrees
    to a write-off; ``seen``: the version that the operator saw."""
    found = (await show(settings, id)).discrepancy
    seen = found.version if seen is None else seen
    if resolution not in FINAL_RESOLUTIONS:
        return await _claimed(settings, operator, found, resolution, seen)
    if resolution is Resolution.ACCEPTED and found.kind not in ACCEPTABLE:
        raise ActionRefused(f"{found.kind} moves money: it cannot be accepted, only written off")
    if resolution is Resolution.WRITTEN_OFF:
        _require_second(operator, found, second)
    return await _decide(
        settings, operator, id, Event.SETTLED, "settle_discrepancy", seen=seen, resolution=resolution, second=second
    )


def _require_second(operator: Operator, found: Discrepancy, second: str | None) -> None:
    amount = abs((found.theirs or 0) - (found.ours or 0))
    if amount > WRITE_OFF_ALONE and (second is None or second.strip() in ("", operator.name)):
        raise ActionRefused(f"{amount} {found.currency} in minor units need the name of a second person")


async def _claimed(
    settings: Settings, operator: Operator, found: Discrepancy, resolution: Resolution, seen: int
) -> Discrepancy:
    """Note what the next statements have to confirm; what was made by hand is recorded by the payment."""
    settlement = PLUGINS[found.provider].capabilities.settlement
    async with connected(settings) as engine:
        async with engine.connect() as connection:
            last = next(iter(await job_runs.latest(connection, job_name(found.provider))), None)
        day = found.business_date if last is None else last.business_date
        confirm_by = day + timedelta(days=max(settlement.late, settlement.late_refunds))
        async with (
            recorded(
                engine, operator, "resolve_discrepancy", "discrepancy", str(found.id), resolution=resolution
            ) as record,
            engine.begin() as connection,
        ):
            try:
                after = await discrepancies.decide(
                    connection, found.id, Event.RESOLVED, utc_now(), actor=f"operator:{operator.name}",
                    reason=operator.reason, seen=seen, resolution=resolution, confirm_by=confirm_by,
                )  # fmt: skip
            except Refused as error:
                raise ActionRefused(str(error)) from error
            if resolution is Resolution.RECORDED:
                await _record_movement(settings, operator, found)
            await record.complete(connection)
    return after


async def _record_movement(settings: Settings, operator: Operator, found: Discrepancy) -> None:
    """Before the decision is stored: the payment recognises a repeat by the line."""
    types: dict[str, Literal["CAPTURE", "REFUND"]] = {"charge": "CAPTURE", "refund": "REFUND"}
    kind, line = types.get(found.detail.get("kind", "")), found.detail.get("line")
    if found.payment_id is None or kind is None or line is None or found.theirs is None:
        raise InvalidArgument("only a charge or a refund of a known payment can be recorded")
    message = RecordMovement(
        found.payment_id, found.provider, line, kind, abs(found.theirs), operator.name, operator.reason,
        provider_ref=found.detail.get("movement"),
    )  # fmt: skip
    id = f"clearing/{found.id}/{message.TYPE}"
    async with new_producer(settings) as producer:
        await Publisher(producer).publish(
            [outbound(INBOX, message, id=id, source=SOURCE, time=utc_now(), actor=f"operator:{operator.name}")]
        )


async def _decide(
    settings: PostgresSettings,
    operator: Operator,
    id: UUID,
    event: Event,
    action: str,
    *,
    seen: int | None = None,
    second: str | None = None,
    **changes: object,
) -> Discrepancy:
    details = {} if second is None else {"second": second}
    async with (
        connected(settings) as engine,
        recorded(engine, operator, action, "discrepancy", str(id), **details) as record,
        engine.begin() as connection,
    ):
        try:
            after = await discrepancies.decide(
                connection, id, event, utc_now(), actor=f"operator:{operator.name}",
                reason=operator.reason if second is None else f"{operator.reason} (with {second})", seen=seen, **changes,
            )  # fmt: skip
        except Refused as error:
            raise ActionRefused(str(error)) from error
        await record.complete(connection)
    return after
