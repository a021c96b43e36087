"""Refusals of a payment in the words of the panel: money in its currency's form, states as pages call them. Pure."""

import re
from typing import Final

from admin.formatting import money
from admin.payments.sentences import STATES
from billing.messages import Refusal
from billing.payments.model import Payment
from billing.vocabulary import OperationType

#: Codes with details in which every number is an amount in minor units.
_OF_MONEY: Final = (
    "amount_exceeds_authorized",
    "amount_exceeds_refundable",
    "cart_total_mismatch",
    "correction_impossible",
)
_NUMBER: Final = re.compile(r"(?<![\w.-])[0-9]+(?![\w-]|\.[0-9])")
#: Code → what the state of the payment stands against.
_OF_STATE: Final = {
    "not_authorized": "nothing is held that could be captured or released",
    "not_captured": "nothing was captured that could be refunded",
    "already_closed": "it is closed already",
}
_OF_OPERATION: Final = {
    "outcome_unknown": "how its {} ended is not known yet",
    "operation_in_progress": "its {} is still under way",
}


def in_words(refusal: Refusal, payment: Payment) -> str:
    """Why a command to the payment is refused, as a sentence. Total: a code without words of its own has its detail."""
    said = refusal.detail
    if refusal.code in _OF_STATE:
        said = f"the payment's state is “{STATES[payment.status].words}”: {_OF_STATE[refusal.code]}"
    elif refusal.code in _OF_OPERATION:
        started = (
            o.type for o in payment.standing if o.is_open and o.type in (OperationType.CAPTURE, OperationType.VOID)
        )
        kind = next(started, None)
        what = "operation" if kind is None else kind.lower()
        said = f"the payment cannot be captured or released now: {_OF_OPERATION[refusal.code].format(what)}"
    else:
        said = with_money(refusal.code, said, payment.order.currency)
    return as_sentence(said)


def with_money(code: str, detail: str, currency: str) -> str:
    """The detail of a refusal, its amounts in the currency's form."""
    if code not in _OF_MONEY:
        return detail
    return _NUMBER.sub(lambda found: f"{money(int(found[0]), currency)} {currency}", detail)


def as_sentence(said: str) -> str:
    """With a capital and a full stop."""
    return f"{said[:1].upper()}{said[1:].removesuffix('.')}."
