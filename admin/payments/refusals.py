"""Refusals of a payment in the words of the panel: money in its currency's form, states as pages call them. Pure."""

import re
from typing import Final

from admin.formatting import sum_of
from admin.language import N_, gettext
from admin.payments.sentences import STATES
from admin.retelling import retold
from billing.messages import Refusal
from billing.payments.model import Payment
from billing.vocabulary import OperationType
from storage.journal.story import TimelineEntry

#: Codes with details in which every number is an amount in minor units.
_OF_MONEY: Final = (
    "amount_exceeds_authorized",
    "amount_exceeds_refundable",
    "cart_total_mismatch",
    "correction_impossible",
)
_NUMBER: Final = re.compile(r"(?<![\w.-])[0-9]+(?![\w-]|\.[0-9])")
#: Code → the sentence, where the state of the payment stands against it.
_OF_STATE: Final = {
    "not_authorized": N_("The payment's state is “%(state)s”: nothing is held that could be captured or released."),
    "not_captured": N_("The payment's state is “%(state)s”: nothing was captured that could be refunded."),
    "already_closed": N_("The payment's state is “%(state)s”: it is closed already."),
}
#: The same, where an operation under way does.
_OF_OPERATION: Final = {
    "outcome_unknown": N_(
        "The payment cannot be captured or released now: how its %(operation)s ended is not known yet."
    ),
    "operation_in_progress": N_(
        "The payment cannot be captured or released now: its %(operation)s is still under way."
    ),
}


def in_words(refusal: Refusal, payment: Payment) -> str:
    """Why a command to the payment is refused, as a sentence. Total: a code without words of its own has its detail."""
    if refusal.code in _OF_STATE:
        return gettext(_OF_STATE[refusal.code], state=gettext(STATES[payment.status].words))
    if refusal.code in _OF_OPERATION:
        started = (
            o.type for o in payment.standing if o.is_open and o.type in (OperationType.CAPTURE, OperationType.VOID)
        )
        kind = next(started, None)
        operation = gettext(N_("operation") if kind is None else kind.lower())
        return gettext(_OF_OPERATION[refusal.code], operation=operation)
    return as_sentence(retold(with_money(refusal.code, refusal.detail, payment.order.currency)))


def in_timeline(entry: TimelineEntry, currency: str) -> str:
    """The summary of an entry of a timeline; of a refusal the sentence alone, since its code stands in the data below."""
    if entry.kind != "refusal":
        return retold(entry.summary)
    return retold(with_money(entry.data["code"], entry.data["detail"], currency))


def with_money(code: str, detail: str, currency: str) -> str:
    """The detail of a refusal, its amounts in the currency's form."""
    if code not in _OF_MONEY:
        return detail
    return _NUMBER.sub(lambda found: sum_of(int(found[0]), currency), detail)


def as_sentence(said: str) -> str:
    """With a capital and a full stop."""
    return f"{said[:1].upper()}{said[1:].removesuffix('.')}."
