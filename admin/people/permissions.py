"""What people may do, as data: permission → roles. The staff page shows it, and a test asks every route as every role."""

from enum import StrEnum
from typing import Final, Self

from admin.language import N_
from billing.access.roles import Role


class Permission(StrEnum):
    """``label`` is for people."""

    label: str

    def __new__(cls, value: str, label: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member

    OWN_ACCOUNT = ("own-account", N_("See and end one's own sessions, change one's password"))
    READ = ("read", N_("Search; see payments, customers and subscriptions without contacts"))
    REPORTS = ("reports", N_("See reports, and download them"))
    MONITOR = ("monitor", N_("See the monitor"))
    ACKNOWLEDGE = ("acknowledge", N_("Acknowledge alerts"))
    REVEAL = ("reveal", N_("Show a contact, with a reason"))
    ASK = ("ask", N_("Write notes, ask a provider now, re-drive"))
    MOVE_MONEY = ("move-money", N_("Capture, void, and refund up to the support limit"))
    REFUND_ABOVE = ("refund-above", N_("Refund above the support limit, amend contact and metadata"))
    SUBSCRIPTIONS = ("subscriptions", N_("Cancel and keep subscriptions, open a page to pay; refund up to one's limit"))
    EXTEND = ("extend", N_("Extend subscriptions"))
    CORRECT = ("correct", N_("Correct and adjust operations (two people)"))
    BULK = ("bulk", N_("Refund in bulk, from a file (two people)"))
    APPROVE = ("approve", N_("Approve what somebody else asked for"))
    CLEARING = ("clearing", N_("See clearing's days, and download their reports"))
    DISCREPANCIES = ("discrepancies", N_("See discrepancies"))
    DECIDE = ("decide", N_("Claim, resolve and reopen discrepancies"))
    RUN_CLEARING = ("run-clearing", N_("Ask for runs of clearing, believe a doubted statement"))
    CLOSE_DAYS = ("close-days", N_("Close days of the books"))
    LETTERS = ("letters", N_("See dead letters, replay them"))
    DISCARD = ("discard", N_("Discard dead letters"))
    PROVIDERS = ("providers", N_("See providers and routes"))
    SWITCH = ("switch", N_("Switch providers off and on"))
    KEYS = ("keys", N_("See and change API keys"))
    STAFF = ("staff", N_("See the staff and what each role may do"))
    TRAIL = ("trail", N_("See what everybody saw and did"))


_EVERYBODY: Final = frozenset(Role)
_ACTING: Final = _EVERYBODY - {Role.VIEWER}
_MONEY: Final = frozenset((Role.FINANCE, Role.ADMIN))
_ADMIN: Final = frozenset((Role.ADMIN,))

MATRIX: Final[dict[Permission, frozenset[Role]]] = {
    Permission.OWN_ACCOUNT: _EVERYBODY,
    Permission.READ: _EVERYBODY,
    Permission.REPORTS: _EVERYBODY - {Role.SUPPORT},
    Permission.MONITOR: _EVERYBODY,
    Permission.ACKNOWLEDGE: _ACTING,
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
    Permission.RUN_CLEARING: _MONEY,
    Permission.CLOSE_DAYS: _MONEY,
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
