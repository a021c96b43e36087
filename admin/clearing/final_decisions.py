"""A write-off or an acceptance that one person may not make alone: what is asked for, and kept until a second person approves
it."""

from typing import Final
from uuid import UUID, uuid5

import msgspec

from admin.language import N_
from admin.payments.limits import EXPIRES_AFTER
from backoffice.clearing.discrepancies import stake_of
from billing.clearing.discrepancies import ACCEPTABLE, CLOSE_ALONE, Event, Resolution, step
from billing.money import Money
from runtime.clock import utc_now
from storage import approvals
from storage.clearing.discrepancies import Command, Discrepancy

#: The resolutions that no statement confirms → the action of the request, and its words.
ACTIONS: Final = {
    Resolution.WRITTEN_OFF: ("write_off", N_("Write off")),
    Resolution.ACCEPTED: ("accept", N_("Accept")),
}


class FinalDecision(msgspec.Struct, frozen=True):
    """Exactly what is asked for. ``version``: of the discrepancy that the person saw; ``command``: the same for every time
    that the form is sent."""

    discrepancy_id: UUID
    version: int
    resolution: Resolution
    operator: str
    reason: str
    command: Command


def cause_of(found: Discrepancy) -> str | None:
    """Why one person may neither write it off nor accept it; ``None``: they may."""
    amount, currency = stake_of(found)
    if amount <= CLOSE_ALONE:
        return None
    if currency is None:
        return f"{amount} is above {CLOSE_ALONE}, the limit of one person"
    return f"{Money(amount, currency)} is above {Money(CLOSE_ALONE, currency)}, the limit of one person"


def is_possible(found: Discrepancy, resolution: Resolution) -> bool:
    """Whether it can be closed so, were it below the limit."""
    fits = resolution is Resolution.WRITTEN_OFF or (resolution is Resolution.ACCEPTED and found.kind in ACCEPTABLE)
    return fits and step(found.state, Event.SETTLED) is not None


def request_of(found: Discrepancy, asked: FinalDecision, cause: str, key: UUID) -> approvals.Request:
    """The request for a second person. ``key``: of the form."""
    now = utc_now()
    amount, currency = stake_of(found)
    action, _ = ACTIONS[asked.resolution]
    return approvals.Request(
        id=uuid5(found.id, f"approval/{key}"), action=action, discrepancy_id=found.id, type="clearing.final-decision",
        command=msgspec.json.encode(asked), preview=msgspec.json.encode(found), amount=amount, currency=currency,
        cause=cause, requested_by=asked.operator, reason=asked.reason, requested_at=now,
        expires_at=now + EXPIRES_AFTER,
    )  # fmt: skip
