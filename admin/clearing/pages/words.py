"""A discrepancy in words: what its kind means, what closes it, who acts and by when. Pure."""

from datetime import datetime
from typing import Final, NamedTuple

from analytics.words import day, moment
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
    State.EXPECTED: Look("expected", "plain"),
    State.OPEN: Look("open", "warn"),
    State.PERSON: Look("needs a person", "bad"),
    State.RESOLVED: Look("decided", "warn"),
    State.CLOSED: Look("closed", "good"),
}

_AGREE: Final = "Both sides have the same amount."
_GONE_OR_JOINED: Final = "The line finds its operation, or is not in the statement any more."
KINDS: Final = {
    Kind.LATE: Meaning("Our movement is in no statement yet; there is time.", "A statement has the movement."),
    Kind.MISSING_AT_PROVIDER: Meaning(
        "Our movement is in no statement, and the time for it is over.",
        "A statement has the movement, or the books take it back.",
    ),
    Kind.MISSING_HERE: Meaning(
        "The statement has a line of a payment of ours, and the books have no movement for it.",
        "The books have the movement: the payment asks its provider, and the answer books it.",
    ),
    Kind.UNKNOWN_PAYMENT: Meaning("The statement has a line of no payment of ours.", _GONE_OR_JOINED),
    Kind.AMBIGUOUS: Meaning("A line fits several operations of one payment.", _GONE_OR_JOINED),
    Kind.AMOUNT_DIFFERS: Meaning("The two sides have different amounts.", _AGREE),
    Kind.CURRENCY_DIFFERS: Meaning("The two sides have different currencies.", "Both sides have the same currency."),
    Kind.TAKEN_TWICE: Meaning("The provider has one movement of ours twice.", "The statement has the movement once."),
    Kind.REFUND_UNDONE: Meaning("A refund of ours came back from the provider.", "The books have undone the refund."),
    Kind.CHARGEBACK: Meaning("The bank took the money back for the customer.", "The books have the chargeback."),
    Kind.LINE_CHANGED: Meaning("A line that agreed has another amount now.", _AGREE),
    Kind.LINE_WITHDRAWN: Meaning("A line that agreed is not in the statement any more.", _AGREE),
    Kind.MOVEMENT_REVERSED: Meaning("Our movement agreed, and was reversed here since.", _AGREE),
    Kind.UNCLASSIFIED_LINE: Meaning("A line of a type that we do not know.", "The map of the register has the type."),
    Kind.FEE_DIFFERS: Meaning(
        "The provider kept another fee than the contract says.", "The statement has the fee of the contract."
    ),
    Kind.PAYOUT_DIFFERS: Meaning(
        "A payout is not the sum of what the provider says that it consists of.",
        "The payout and what it consists of have the same sum.",
    ),
    Kind.STATEMENT_MISSING: Meaning(
        "There is no statement of the day, long after it ended.", "The statement is there."
    ),
    Kind.STATEMENT_SUSPECT: Meaning(
        "So much differs that the statement itself is doubted.",
        "The statement is mended, or somebody who has looked at it lets it go on.",
    ),
}


class Choice(NamedTuple):
    """A resolution in words: when it is right, and what confirms it."""

    label: str
    when: str
    confirmed: str


CHOICES: Final = {
    Resolution.CORRECTED: Choice(
        "Corrected", "our books were wrong; they are corrected on the payment's page", "both sides agree"
    ),
    Resolution.RECORDED: Choice(
        "Recorded", "it was made by hand; the payment books it under your name", "the line is its operation's"
    ),
    Resolution.REFUNDED_AT_PROVIDER: Choice(
        "The provider gives it back", "the provider returns the money", "its line is in a statement"
    ),
    Resolution.NOT_OURS: Choice("Not ours", "the provider takes the line back", "the line is gone"),
    Resolution.WRITTEN_OFF: Choice("Written off", "nobody will pay", "nothing: it stays closed until a side changes"),
    Resolution.ACCEPTED: Choice("Accepted", "no money differs", "nothing: it stays closed until a side changes"),
}

#: An event of the history in words.
EVENTS: Final = {
    Event.WAITS: "found, there is time",
    Event.FOUND: "found",
    Event.ASKED: "the payment was told to ask",
    Event.NEEDS_PERSON: "needs a person",
    Event.CLAIMED: "claimed",
    Event.RESOLVED: "decided",
    Event.AGREED: "both sides agree",
    Event.SETTLED: "closed on a person's word",
    Event.REOPENED: "opened again",
}


def kind_words(kind: Kind) -> str:
    """``amount_differs`` → ``Amount differs``."""
    return kind.value.replace("_", " ").capitalize()


def turn(found: Discrepancy, now: datetime) -> Turn:
    """Who acts now, and by when."""
    is_overdue = found.due_at is not None and found.due_at < now
    match found.state:
        case State.EXPECTED:
            return Turn("nobody: a later statement is awaited")
        case State.RESOLVED:
            by = "the next statements" if found.confirm_by is None else f"statements up to {day(found.confirm_by)}"
            return Turn(f"nobody: {by} have to confirm it")
        case State.CLOSED:
            return Turn("nobody")
        case State.OPEN if found.owner is None:
            asks = HANDLING[found.kind].asks
            if asks and found.payment_id is not None:
                return Turn(f"the payment: asked on {found.asked} of {asks} days", found.due_at, is_overdue)
            return Turn("nobody: the next statement decides", found.due_at, is_overdue)
    return Turn(found.owner or "somebody of finance: claim it", found.due_at, is_overdue)


def evidence(found: Discrepancy) -> str:
    """What closes the discrepancy, or has closed it."""
    closes = KINDS[found.kind].closes
    if found.state is State.CLOSED:
        at = "" if found.closed_at is None else f" on {moment(found.closed_at)}"
        if found.resolution is None or found.resolution not in (Resolution.WRITTEN_OFF, Resolution.ACCEPTED):
            return f"It closed{at}: {closes[0].lower()}{closes[1:]}"
        return (
            f"A person closed it{at} as {found.resolution.value.replace('_', ' ')}. It opens again if a side changes."
        )
    if found.state is State.RESOLVED and found.resolution is not None:
        choice = CHOICES[found.resolution]
        by = "" if found.confirm_by is None else f" by the statement of {day(found.confirm_by)}"
        return f"Decided as “{choice.label.lower()}”. It closes when {choice.confirmed}{by}; else a person looks again."
    return closes


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
