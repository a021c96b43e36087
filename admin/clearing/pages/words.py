"""A discrepancy in words: what its kind means, what closes it, who acts and by when. Pure."""

from datetime import datetime
from typing import Final, NamedTuple

from admin.formatting import day, moment
from admin.language import N_, gettext
from billing.clearing.discrepancies import ACCEPTABLE, HANDLING, Event, Kind, Resolution, State
from storage.clearing.discrepancies import Discrepancy


class Look(NamedTuple):
    """A state in words and how it looks: ``good``, ``warn``, ``bad`` or ``plain``."""

    words: str
    look: str


class Meaning(NamedTuple):
    """What a kind means, and the evidence that closes it."""

    means: str
    closes: str


class Turn(NamedTuple):
    """Who acts. ``by``: until when (UTC); ``is_overdue``: that has passed."""

    who: str
    by: datetime | None = None
    is_overdue: bool = False


class Amounts(NamedTuple):
    """Both sides, signed minor units, each in its own currency; ``None``: the side has nothing."""

    ours: int | None
    our_currency: str | None
    theirs: int | None
    their_currency: str | None

    @property
    def difference(self) -> int | None:
        """What theirs has more than ours; ``None`` where they cannot be compared."""
        if self.our_currency is None or self.our_currency != self.their_currency:
            return None
        return (self.theirs or 0) - (self.ours or 0)


STATES: Final = {
    State.EXPECTED: Look(N_("expected"), "plain"),
    State.OPEN: Look(N_("open"), "warn"),
    State.PERSON: Look(N_("needs a person"), "bad"),
    State.RESOLVED: Look(N_("decided"), "warn"),
    State.CLOSED: Look(N_("closed"), "good"),
}

_AGREE: Final = N_("Both sides have the same amount.")
_GONE_OR_JOINED: Final = N_("The line finds its operation, or is not in the statement any more.")
KINDS: Final = {
    Kind.LATE: Meaning(N_("Our movement is in no statement yet; there is time."), N_("A statement has the movement.")),
    Kind.MISSING_AT_PROVIDER: Meaning(
        N_("Our movement is in no statement, and the time for it is over."),
        N_("A statement has the movement, or the books take it back."),
    ),
    Kind.MISSING_HERE: Meaning(
        N_("The statement has a line of a payment of ours, and the books have no movement for it."),
        N_("The books have the movement: the payment asks its provider, and the answer books it."),
    ),
    Kind.UNKNOWN_PAYMENT: Meaning(N_("The statement has a line of no payment of ours."), _GONE_OR_JOINED),
    Kind.AMBIGUOUS: Meaning(N_("A line fits several operations of one payment."), _GONE_OR_JOINED),
    Kind.AMOUNT_DIFFERS: Meaning(N_("The two sides have different amounts."), _AGREE),
    Kind.CURRENCY_DIFFERS: Meaning(
        N_("The two sides have different currencies."), N_("Both sides have the same currency.")
    ),
    Kind.TAKEN_TWICE: Meaning(
        N_("The provider has one movement of ours twice."), N_("The statement has the movement once.")
    ),
    Kind.REFUND_UNDONE: Meaning(
        N_("A refund of ours came back from the provider."), N_("The books have undone the refund.")
    ),
    Kind.CHARGEBACK: Meaning(
        N_("The bank took the money back for the customer."), N_("The books have the chargeback.")
    ),
    Kind.LINE_CHANGED: Meaning(N_("A line that agreed has another amount now."), _AGREE),
    Kind.LINE_WITHDRAWN: Meaning(N_("A line that agreed is not in the statement any more."), _AGREE),
    Kind.MOVEMENT_REVERSED: Meaning(N_("Our movement agreed, and was reversed here since."), _AGREE),
    Kind.UNCLASSIFIED_LINE: Meaning(
        N_("A line of a type that we do not know."), N_("The map of the register has the type.")
    ),
    Kind.FEE_DIFFERS: Meaning(
        N_("The provider kept another fee than the contract says."), N_("The statement has the fee of the contract.")
    ),
    Kind.PAYOUT_DIFFERS: Meaning(
        N_("A payout is not the sum of what the provider says that it consists of."),
        N_("The payout and what it consists of have the same sum."),
    ),
    Kind.STATEMENT_MISSING: Meaning(
        N_("There is no statement of the day, long after it ended."), N_("The statement is there.")
    ),
    Kind.STATEMENT_SUSPECT: Meaning(
        N_("So much differs that the statement itself is doubted."),
        N_("The statement is mended, or somebody who has looked at it lets it go on."),
    ),
}


class Choice(NamedTuple):
    """A resolution in words: when it is right, and what confirms it."""

    label: str
    when: str
    confirmed: str


CHOICES: Final = {
    Resolution.CORRECTED: Choice(
        N_("Corrected"), N_("our books were wrong; they are corrected on the payment's page"), N_("both sides agree")
    ),
    Resolution.RECORDED: Choice(
        N_("Recorded"),
        N_("it was made by hand; the payment books it under your name"),
        N_("the line is its operation's"),
    ),
    Resolution.REFUNDED_AT_PROVIDER: Choice(
        N_("The provider gives it back"), N_("the provider returns the money"), N_("its line is in a statement")
    ),
    Resolution.NOT_OURS: Choice(N_("Not ours"), N_("the provider takes the line back"), N_("the line is gone")),
    Resolution.WRITTEN_OFF: Choice(
        N_("Written off"), N_("nobody will pay"), N_("nothing: it stays closed until a side changes")
    ),
    Resolution.ACCEPTED: Choice(
        N_("Accepted"), N_("it stays as it is, and is no loss"), N_("nothing: it stays closed until a side changes")
    ),
}

#: An event of the history in words.
EVENTS: Final = {
    Event.WAITS: N_("found, there is time"),
    Event.FOUND: N_("found"),
    Event.ASKED: N_("the payment was told to ask"),
    Event.NEEDS_PERSON: N_("needs a person"),
    Event.CLAIMED: N_("claimed"),
    Event.RESOLVED: N_("decided"),
    Event.AGREED: N_("both sides agree"),
    Event.SETTLED: N_("closed on a person's word"),
    Event.REOPENED: N_("opened again"),
}


def kind_words(kind: Kind | str) -> str:
    """``amount_differs`` → ``Amount differs``."""
    return gettext(kind.replace("_", " ").capitalize())


def turn(found: Discrepancy, now: datetime) -> Turn:
    """Who acts now, and by when."""
    is_overdue = found.due_at is not None and found.due_at < now
    match found.state:
        case State.EXPECTED:
            return Turn(gettext("nobody: a later statement is awaited"))
        case State.RESOLVED:
            if found.confirm_by is None:
                return Turn(gettext("nobody: the next statements have to confirm it"))
            return Turn(gettext("nobody: statements up to %(day)s have to confirm it", day=day(found.confirm_by)))
        case State.CLOSED:
            return Turn(gettext("nobody"))
        case State.OPEN if found.owner is None:
            asks = HANDLING[found.kind].asks
            if asks and found.payment_id is not None:
                who = gettext("the payment: asked on %(done)s of %(all)s days", done=found.asked, all=asks)
                return Turn(who, found.due_at, is_overdue)
            return Turn(gettext("nobody: the next statement decides"), found.due_at, is_overdue)
    return Turn(found.owner or gettext("somebody of finance: claim it"), found.due_at, is_overdue)


def evidence(found: Discrepancy) -> str:
    """What closes the discrepancy, or has closed it."""
    closes = gettext(KINDS[found.kind].closes)
    if found.state is State.CLOSED:
        return _closed(found, f"{closes[0].lower()}{closes[1:]}")
    if found.state is State.RESOLVED and found.resolution is not None:
        choice = CHOICES[found.resolution]
        said = {"label": gettext(choice.label).lower(), "evidence": gettext(choice.confirmed)}
        if found.confirm_by is None:
            return gettext("Decided as “%(label)s”. It closes when %(evidence)s; else a person looks again.", **said)
        return gettext(
            "Decided as “%(label)s”. It closes when %(evidence)s by the statement of %(day)s; else a person looks again.",
            day=day(found.confirm_by), **said,
        )  # fmt: skip
    return closes


def _closed(found: Discrepancy, closes: str) -> str:
    at = None if found.closed_at is None else moment(found.closed_at)
    if found.resolution is None or found.resolution not in (Resolution.WRITTEN_OFF, Resolution.ACCEPTED):
        if at is None:
            return gettext("It closed: %(evidence)s", evidence=closes)
        return gettext("It closed on %(time)s: %(evidence)s", time=at, evidence=closes)
    label = gettext(CHOICES[found.resolution].label).lower()
    if at is None:
        return gettext("A person closed it as %(label)s. It opens again if a side changes.", label=label)
    return gettext(
        "A person closed it on %(time)s as %(label)s. It opens again if a side changes.", time=at, label=label
    )


def amounts(found: Discrepancy) -> Amounts:
    """Both sides. Of a fee ours is the contract's; of a payout, the sum of what it consists of."""
    detail = found.detail
    match found.kind:
        case Kind.FEE_DIFFERS:
            return Amounts(detail.get("by_contract"), detail.get("currency"), detail.get("fee"), detail.get("currency"))
        case Kind.PAYOUT_DIFFERS:
            return Amounts(
                detail.get("consists_of"), detail.get("currency"), detail.get("paid"), detail.get("currency")
            )
    return Amounts(found.ours, found.currency, found.theirs, detail.get("their_currency") or found.currency)


def choices(found: Discrepancy) -> dict[Resolution, Choice]:
    """The resolutions that can be right for it. ``decide`` checks what is sent."""
    by_hand = found.detail.get("kind") in ("charge", "refund") and found.payment_id is not None
    left_out = set() if by_hand else {Resolution.RECORDED}
    if found.kind not in ACCEPTABLE:
        left_out.add(Resolution.ACCEPTED)
    return {resolution: choice for resolution, choice in CHOICES.items() if resolution not in left_out}
