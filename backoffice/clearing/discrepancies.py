"""Discrepancies: read, claimed, resolved, reopened."""

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from backoffice.commands import require_understood
from backoffice.operators import ActionRefused, InvalidArgument, Operator, recorded
from billing.clearing.discrepancies import ACCEPTABLE, CLOSE_ALONE, FINAL_RESOLUTIONS, Event, Resolution, at_stake
from billing.messages import NOT_OF_ANOTHER, Approval, RecordMovement
from billing.messages.topics import INBOX
from providers.registry import PLUGINS
from reconciliation.clearing.job import job_name
from reconciliation.clearing.run import SOURCE
from runtime.clock import utc_now
from runtime.kafka.clients import new_producer
from runtime.kafka.publisher import Publisher, outbound
from runtime.postgres import connected
from runtime.settings import AdminSettings, KafkaSettings, PostgresSettings
from storage import job_runs
from storage.clearing import discrepancies
from storage.clearing.discrepancies import (
    Changed,
    Command,
    Decided,
    Discrepancy,
    Filters,
    HistoryEntry,
    KeyReused,
    Missing,
    Place,
    Refused,
)

#: What has to be true of a decision, and follows from it, before it is stored.
Before = Callable[[AsyncEngine, Discrepancy], Awaitable[None]]
#: What is stored with a decision: both, or neither.
Within = Callable[[AsyncConnection], Awaitable[None]]


class NoDiscrepancy(ActionRefused):
    """There is none with this id."""


class ChangedSince(ActionRefused):
    """The discrepancy is not at the version that was seen."""


class OtherDecision(ActionRefused):
    """The key was used for another decision about the discrepancy."""


class Found(msgspec.Struct, frozen=True):
    """A discrepancy with its history."""

    discrepancy: Discrepancy
    history: list[HistoryEntry]


async def listed(
    settings: PostgresSettings, filters: Filters, limit: int, after: Place | None = None
) -> list[Discrepancy]:
    """Discrepancies, the most urgent first, at most ``limit`` behind ``after``."""
    async with connected(settings) as engine, engine.connect() as connection:
        return await discrepancies.listed(connection, filters, limit, after)


async def show(settings: PostgresSettings, id: UUID) -> Found:
    """One discrepancy. Raises :class:`NoDiscrepancy`."""
    async with connected(settings) as engine, engine.connect() as connection:
        found = await discrepancies.one(connection, id)
        if found is None:
            raise NoDiscrepancy(f"there is no discrepancy {id}")
        return Found(found, await discrepancies.history(connection, id))


async def claim(
    settings: PostgresSettings, operator: Operator, id: UUID, *, seen: int | None = None, command: Command | None = None
) -> Decided:
    """Take a discrepancy on under the operator's name. ``seen``: the version that they saw; ``command``: of a request that
    may be repeated. Raises, as every decision does, :class:`NoDiscrepancy`, :class:`ChangedSince`, :class:`OtherDecision`
    and :class:`~backoffice.operators.ActionRefused`."""
    return await _decide(
        settings, operator, id, Event.CLAIMED, "claim_discrepancy", seen=seen, command=command, owner=operator.name
    )


async def reopen(
    settings: PostgresSettings, operator: Operator, id: UUID, *, seen: int | None = None, command: Command | None = None
) -> Decided:
    """Take a decision back. The parameters are those of :func:`claim`."""
    return await _decide(
        settings, operator, id, Event.REOPENED, "reopen_discrepancy", seen=seen, command=command, resolution=None,
        confirm_by=None,
    )  # fmt: skip


async def resolve(
    settings: AdminSettings,
    operator: Operator,
    id: UUID,
    resolution: Resolution,
    *,
    seen: int | None = None,
    command: Command | None = None,
) -> Decided:
    """Decide on a discrepancy. A statement has to confirm it, unless it is written off or accepted. Above the limit of one
    person both are refused: :func:`settle` has the approval of a second one. The parameters are those of :func:`claim`."""
    found = (await show(settings, id)).discrepancy
    seen = found.version if seen is None else seen
    if resolution in FINAL_RESOLUTIONS:
        return await _settle(settings, operator, id, resolution, seen=seen, command=command)

    async def record(engine: AsyncEngine, after: Discrepancy) -> None:
        if resolution is Resolution.RECORDED:
            await require_understood(engine, RecordMovement)
            await _record_movement(settings, operator, after)

    return await _decide(
        settings, operator, id, Event.RESOLVED, "resolve_discrepancy", seen=seen, command=command, before=record,
        resolution=resolution, confirm_by=await _confirm_by(settings, found),
    )  # fmt: skip


async def settle(
    settings: PostgresSettings,
    operator: Operator,
    id: UUID,
    resolution: Resolution,
    approval: Approval,
    *,
    seen: int,
    command: Command,
    within: Within,
) -> Decided:
    """Write a discrepancy off, or accept it, with the approval of a second person. ``operator``: who asked for it, of the version ``seen``;
    ``within``: records the approval in the same transaction. Raises what :func:`claim` raises."""
    return await _settle(
        settings, operator, id, resolution, seen=seen, command=command, approval=approval, within=within
    )


def stake_of(found: Discrepancy) -> tuple[int, str | None]:
    """What a write-off or an acceptance of it is about: minor units, and their currency."""
    return at_stake(found.kind, found.ours, found.theirs, found.currency, found.detail)


async def _settle(
    settings: PostgresSettings,
    operator: Operator,
    id: UUID,
    resolution: Resolution,
    *,
    seen: int,
    command: Command | None,
    approval: Approval | None = None,
    within: Within | None = None,
) -> Decided:
    async def require(_engine: AsyncEngine, after: Discrepancy) -> None:
        _require_final(operator, after, resolution, approval)

    return await _decide(
        settings, operator, id, Event.SETTLED, "settle_discrepancy", seen=seen, command=command, before=require,
        approval=approval, within=within, resolution=resolution,
    )  # fmt: skip


def _require_final(operator: Operator, found: Discrepancy, resolution: Resolution, approval: Approval | None) -> None:
    if resolution is Resolution.ACCEPTED and found.kind not in ACCEPTABLE:
        raise ActionRefused(f"{found.kind} moves money: it cannot be accepted, only written off")
    if approval is not None and not approval.is_of_another(operator.name):
        raise ActionRefused(NOT_OF_ANOTHER)
    amount, currency = stake_of(found)
    if amount > CLOSE_ALONE and approval is None:
        raise ActionRefused(
            f"{amount} {currency} in minor units are above the limit of one person: decide in the panel, where a second"
            " person approves it"
        )


async def _confirm_by(settings: PostgresSettings, found: Discrepancy) -> date:
    """The business day whose statement has to confirm what is decided now."""
    settlement = PLUGINS[found.provider].capabilities.settlement
    async with connected(settings) as engine, engine.connect() as connection:
        last = next(iter(await job_runs.latest(connection, job_name(found.provider))), None)
    day = found.business_date if last is None else last.business_date
    return day + timedelta(days=max(settlement.late, settlement.late_refunds))


async def _record_movement(settings: KafkaSettings, operator: Operator, found: Discrepancy) -> None:
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
            [outbound(INBOX, message, id=id, source=SOURCE, time=utc_now(), actor=operator.actor)]
        )


async def _decide(
    settings: PostgresSettings,
    operator: Operator,
    id: UUID,
    event: Event,
    action: str,
    *,
    seen: int | None,
    command: Command | None,
    before: Before | None = None,
    approval: Approval | None = None,
    within: Within | None = None,
    **changes: Any,
) -> Decided:
    details: dict[str, Any] = {}
    reason = operator.reason
    if changes.get("resolution") is not None:
        details["resolution"] = changes["resolution"]
    if approval is not None:
        details["approval"] = msgspec.to_builtins(approval)
        reason = f"{reason} (approved by {approval.approved_by})"
    async with (
        connected(settings) as engine,
        recorded(engine, operator, action, "discrepancy", str(id), **details) as record,
        engine.begin() as connection,
    ):
        try:
            decided = await discrepancies.decide(
                connection, id, event, utc_now(), actor=operator.actor, reason=reason, seen=seen, command=command,
                evidence=details, **changes,
            )  # fmt: skip
        except Refused as error:
            raise _refused(error) from error
        if decided.is_new and before is not None:
            await before(engine, decided.discrepancy)
        if decided.is_new and within is not None:
            await within(connection)
        record.details = {"version": decided.discrepancy.version, "repeated": not decided.is_new}
        await record.complete(connection)
    return decided


def _refused(error: Refused) -> ActionRefused:
    kinds = {Missing: NoDiscrepancy, Changed: ChangedSince, KeyReused: OtherDecision}
    return kinds.get(type(error), ActionRefused)(str(error))
