"""A write-off that one person may not make alone: what is asked for, and kept until a second person approves it."""

from typing import Final
from uuid import UUID, uuid5

import msgspec

from admin.language import N_
from admin.payments.limits import EXPIRES_AFTER
from backoffice.clearing.discrepancies import stake_of
from billing.clearing.discrepancies import WRITE_OFF_ALONE
from billing.money import Money
from runtime.clock import utc_now
from storage import approvals
from storage.clearing.discrepancies import Command, Discrepancy

#: The action of the request, and its words.
WRITE_OFF: Final = "write_off"
LABEL: Final = N_("Write off")


class WriteOff(msgspec.Struct, frozen=True):
    """Exactly what is asked for. ``version``: of the discrepancy that the person saw; ``command``: the same for every time
    that the form is sent."""

    discrepancy_id: UUID
    version: int
    operator: str
    reason: str
    command: Command


def cause_of(found: Discrepancy) -> str | None:
    """Why one person may not write it off; ``None``: they may."""
    amount, currency = stake_of(found)
    if amount <= WRITE_OFF_ALONE:
        return None
    if currency is None:
        return f"{amount} is above {WRITE_OFF_ALONE}, which one person may write off"
    return f"{Money(amount, currency)} is above {Money(WRITE_OFF_ALONE, currency)}, which one person may write off"


def request_of(found: Discrepancy, asked: WriteOff, cause: str, key: UUID) -> approvals.Request:
    """The request for a second person. ``key``: of the form."""
    now = utc_now()
    amount, currency = stake_of(found)
    return approvals.Request(
        id=uuid5(found.id, f"approval/{key}"), action=WRITE_OFF, discrepancy_id=found.id, type="clearing.write-off",
        command=msgspec.json.encode(asked), preview=msgspec.json.encode(found), amount=amount, currency=currency,
        cause=cause, requested_by=asked.operator, reason=asked.reason, requested_at=now,
        expires_at=now + EXPIRES_AFTER,
    )  # fmt: skip
