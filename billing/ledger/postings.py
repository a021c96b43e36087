"""Double entry: every movement of money as a balanced posting. Entries are never changed, only reversed."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

import msgspec

from billing.errors import InvariantBroken
from billing.ledger.accounts import CHARGEBACKS, REFUNDS, REVENUE, Account, clearing


class Entry(msgspec.Struct, frozen=True):
    """One line of a posting: ``amount`` minor units, debit positive, credit negative."""

    account: Account
    amount: int


class CauseKind(StrEnum):
    """What a posting can be made for."""

    OPERATION = "operation"
    """An operation of a payment; the id is the operation's."""
    STATEMENT = "statement"
    """A provider's statement; the id is ``PROVIDER/DATE/WHAT``, with the business date."""
    DISCREPANCY = "discrepancy"
    """A discrepancy of clearing; the id is its own."""


class Cause(msgspec.Struct, frozen=True):
    """What a posting was made for: the kind of thing, and which one."""

    kind: CauseKind
    id: str


class Posting(msgspec.Struct, frozen=True):
    """A balanced set of entries with one cause. ``id`` is derived from it, so that a repeat is recognised."""

    id: UUID
    cause: Cause
    currency: str
    posted_at: datetime
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        if sum(entry.amount for entry in self.entries) != 0 or len(self.entries) < 2:  # noqa: PLR2004
            raise InvariantBroken(f"posting {self.id} does not balance: {self.entries}")

    @property
    def operation_id(self) -> UUID | None:
        """The operation that caused it, ``None`` where something else did."""
        return UUID(self.cause.id) if self.cause.kind is CauseKind.OPERATION else None


def capture(operation_id: UUID, provider: str, amount: int, currency: str, now: datetime, salt: str = "") -> Posting:
    """The provider holds ``amount`` more of our revenue. ``salt`` distinguishes a posting from an earlier, reversed one."""
    lines = ((clearing(provider), amount), (REVENUE, -amount))
    return _posting(operation_id, f"capture{salt}", currency, now, lines)


def refund(operation_id: UUID, provider: str, amount: int, currency: str, now: datetime, salt: str = "") -> Posting:
    """The provider refunded ``amount`` to the customer out of the money that it holds for us."""
    lines = ((REFUNDS, amount), (clearing(provider), -amount))
    return _posting(operation_id, f"refund{salt}", currency, now, lines)


def chargeback(operation_id: UUID, provider: str, amount: int, currency: str, now: datetime, salt: str = "") -> Posting:
    """The bank took ``amount`` back for the customer, out of the money that the provider holds for us."""
    lines = ((CHARGEBACKS, amount), (clearing(provider), -amount))
    return _posting(operation_id, f"chargeback{salt}", currency, now, lines)


def chargeback_undone(
    operation_id: UUID, provider: str, amount: int, currency: str, now: datetime, salt: str = ""
) -> Posting:
    """``amount`` of a chargeback came back to what the provider holds for us."""
    lines = ((clearing(provider), amount), (CHARGEBACKS, -amount))
    return _posting(operation_id, f"chargeback undone{salt}", currency, now, lines)


def reverse(posting: Posting) -> Posting:
    """The same entries with opposite signs, as a new posting."""
    return msgspec.structs.replace(
        posting,
        id=uuid5(posting.id, "reverse"),
        entries=tuple(Entry(entry.account, -entry.amount) for entry in posting.entries),
    )


def _posting(
    operation_id: UUID, what: str, currency: str, now: datetime, lines: tuple[tuple[Account, int], ...]
) -> Posting:
    return Posting(
        uuid5(operation_id, what),
        Cause(CauseKind.OPERATION, str(operation_id)),
        currency,
        now,
        tuple(Entry(account, amount) for account, amount in lines),
    )
