"""What people may do, as data: permission → roles. The staff page shows it, and a test asks every route as every role."""

from enum import StrEnum
from typing import Final, Self

from billing.access.roles import Role


class Permission(StrEnum):
    """``label`` is for people."""

    label: str

    def __new__(cls, value: str, label: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member

    OWN_ACCOUNT = ("own-account", "See and end one's own sessions, change one's password")
    READ = ("read", "Search; see payments, customers and subscriptions without contacts")
    REPORTS = ("reports", "See reports, and download them")
    MONITOR = ("monitor", "See the monitor")
    REVEAL = ("reveal", "Show a contact, with a reason")
    ASK = ("ask", "Write notes, ask a provider now, re-drive")
    MOVE_MONEY = ("move-money", "Capture, void, and refund up to the support limit")
    REFUND_ABOVE = ("refund-above", "Refund above the support limit, amend contact and metadata")
    SUBSCRIPTIONS = ("subscriptions", "Cancel and keep subscriptions, open a page to pay; refund up to one's limit")
    EXTEND = ("extend", "Extend subscriptions")
    CORRECT = ("correct", "Correct and adjust operations (two people)")
    BULK = ("bulk", "Refund in bulk, from a file (two people)")
    APPROVE = ("approve", "Approve what somebody else asked for")
    CLEARING = ("clearing", "See clearing's days, and download their reports")
    DISCREPANCIES = ("discrepancies", "See discrepancies")
    DECIDE = ("decide", "Claim, resolve and reopen discrepancies")
    LETTERS = ("letters", "See dead letters, replay them")
    DISCARD = ("discard", "Discard dead letters")
    PROVIDERS = ("providers", "See providers and routes")
    SWITCH = ("switch", "Switch providers off and on")
    KEYS = ("keys", "See and change API keys")
    STAFF = ("staff", "See the staff and what each role may do")
    TRAIL = ("trail", "See what everybody saw and did")


_EVERYBODY: Final = frozenset(Role)
_ACTING: Final = _EVERYBODY - {Role.VIEWER}
_MONEY: Final = frozenset((Role.FINANCE, Role.ADMIN))
_ADMIN: Final = frozenset((Role.ADMIN,))

MATRIX: Final[dict[Permission, frozenset[Role]]] = {
    Permission.OWN_ACCOUNT: _EVERYBODY,
    Permission.READ: _EVERYBODY,
    Permission.REPORTS: _EVERYBODY - {Role.SUPPORT},
    Permission.MONITOR: _EVERYBODY,
    Permission.REVEAL: _ACTING,
    Permission.ASK: _ACTING,
    Permission.MOVE_MONEY: _ACTING,
    Permission.REFUND_ABOVE: _MONEY,
    Permission.SUBSCRIPTIONS: _ACTING,
    Permission.EXTEND: _MONEY,
    Permission.CORRECT: _MONEY,
    Permission.BULK: _MONEY,
    Permission.APPROVE: _MONEY,
    Permission.CLEARING: _EVERYBODY - {Role.SUPPORT},
    Permission.DISCREPANCIES: _EVERYBODY,
    Permission.DECIDE: _MONEY,
    Permission.LETTERS: _MONEY,
    Permission.DISCARD: _ADMIN,
    Permission.PROVIDERS: _MONEY,
    Permission.SWITCH: _ADMIN,
    Permission.KEYS: _ADMIN,
    Permission.STAFF: _ADMIN,
    Permission.TRAIL: _ADMIN,
}


def lower(role: Role, at_most: Role | None) -> Role:
    """The role in a session that has a ceiling. What it may do is what both may: :meth:`Person.may`."""
    return role if at_most is None else min(role, at_most, key=tuple(Role).index)
