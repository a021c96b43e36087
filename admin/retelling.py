"""Sentences of other layers, which know no reader, in the reader's language: why a command is refused, why a second person
is asked. They are made in English, stored and answered to programs so; a page recognizes one by the pattern it was made of."""

import re
from typing import Final

from admin.formatting import sum_of
from admin.language import ENGLISH, N_, gettext, reader
from billing.money import from_decimal_string

_PLACE: Final = re.compile(r"%\((\w+)\)s")
_MONEY: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ([A-Z]{3})")

#: The sentences, without their capital and full stop. The first that fits counts.
PATTERNS: Final = (
    N_("corrections are always made by two people"),
    N_("bulk refunds are always made by two people"),
    N_("%(amount)s is above the limit of your role, %(limit)s"),
    N_("%(amount)s is above %(limit)s, the limit of one person"),
    N_("with %(amount)s you gave back more than %(limit)s within 24 hours"),
    N_("%(text)s has more decimals than %(currency)s allows (%(count)s): write thousands as 1500"),
    N_("%(text)s has more decimals than %(currency)s allows; the payment is in %(other)s"),
    N_("%(text)s has more decimals than %(currency)s allows"),
    N_("%(text)s may be thousands or decimals: write %(first)s or %(second)s; the payment is in %(other)s"),
    N_("%(text)s may be thousands or decimals: write %(first)s or %(second)s"),
    N_("not an amount: %(text)s; the payment is in %(other)s"),
    N_("not an amount: %(text)s"),
    N_("%(amount)s cannot be captured of %(held)s authorized"),
    N_("a partial capture needs the final cart"),
    N_("the cart's total %(total)s does not match the amount %(amount)s"),
    N_("refunds of this payment are blocked"),
    N_("more units than were sold and not refunded"),
    N_("the items come to %(total)s, not %(amount)s"),
    N_("%(amount)s cannot be refunded: %(left)s is left"),
    N_("the payment has no operation %(id)s"),
    N_("the payment moved on from %(provider)s: only an operation that closes its order there can be corrected"),
    N_("%(amount)s is more than the %(left)s refundable"),
    N_("%(amount)s is more than the %(left)s charged back"),
    N_("%(amount)s is more than the %(left)s that is left"),
    N_("another capture is in progress: its outcome decides"),
    N_("%(amount)s more would exceed the %(held)s authorized"),
    N_("this capture has refunds or chargebacks: correct those first"),
    N_("money of this chargeback came back: correct that first"),
    N_("this authorization has a capture or a void: correct that first"),
    N_("%(key)s decides on access that signals have told of: it cannot be changed here"),
    N_("the payment is at version %(now)s, the command is for %(seen)s"),
    N_("the subscription is at version %(now)s, the command is for %(seen)s"),
    N_("the approval is not of another person than the one who asks"),
    N_("there is no such payment"),
    N_("there is no payment with this id"),
    N_("the payment is in the bulk job %(job)s, which has not refunded it yet"),
    N_("there is no such subscription"),
    N_("the subscription has ended"),
    N_("there is no cancellation to take back"),
    N_("name a payment method first"),
    N_("the time that was paid for is over"),
    N_("nothing is to be paid now"),
    N_("a charge is open since %(time)s: its outcome must be known first"),
    N_("there is nothing to charge"),
    N_("no paid period can be extended"),
    N_("the new end must lie ahead, behind the present one"),
    N_("%(count)s tries to pay were made within a day: the next may be made at %(time)s"),
    N_("upgrade-in-progress: a running worker does not know this command yet"),
    N_("%(kind)s moves money: it cannot be accepted, only written off"),
    N_("%(amount)s %(currency)s in minor units need the name of a second person"),
    N_("a discrepancy that is %(state)s cannot be %(event)s"),
    N_("%(id)s has just been resolved by somebody else"),
    N_("%(id)s was %(action)s by %(who)s at %(time)s"),
    N_("API client %(name)s exists already: rotate its key"),
    N_("there is no API client %(name)s"),
    N_("%(name)s was given another key meanwhile: revoke that one if nobody has seen it"),
    N_("%(name)s has %(count)s live keys: revoke the old one first"),
    N_("there is no live key %(id)s"),
    N_("%(provider)s: discrepancies have changed and are not posted yet"),
    N_("%(provider)s: the statement of %(day)s is not cleared"),
    N_("%(provider)s: %(amount)s %(currency)s in minor units are not explained"),
    N_("the statement is doubted"),
    N_("the line has characters that are not UTF-8; save the file as “CSV UTF-8”"),
    N_("a quotation mark is not closed, or stands inside a cell"),
    N_("the line has %(found)s, the first line names %(count)s columns"),
    N_("“%(text)s” is not the id of a payment"),
    N_("the id of the payment is missing"),
    N_("line %(number)s names the same payment; of several lines only the first that can be read is taken"),
    N_("the amount holds a card number: these are kept nowhere"),
    N_("the amount is not a number"),
    N_("result of %(call)s"),
    N_("callback of %(provider)s"),
)


def retold(sentence: str) -> str:
    """The sentence in the reader's language; as it is where it has no pattern."""
    if reader().language == ENGLISH:
        return sentence
    said = sentence.removesuffix(".")
    for message, shape in _SHAPES:
        if (found := shape.fullmatch(said)) is not None:
            return gettext(message, **{name: _value(text) for name, text in found.groupdict().items()})
    return gettext(sentence)


def _value(text: str) -> str:
    found = _MONEY.fullmatch(text)
    return text if found is None else sum_of(from_decimal_string(found[1], found[2]), found[2])


def _shape(message: str) -> re.Pattern[str]:
    """The pattern; its first letter may have become a capital."""
    parts = _PLACE.split(message)
    texts, names = parts[::2], parts[1::2]
    pattern = "".join(f"(?i:{re.escape(letter)})" for letter in texts[0][:1]) + re.escape(texts[0][1:])
    for name, text in zip(names, texts[1:], strict=True):
        pattern += f"(?P<{name}>.+?){re.escape(text)}"
    return re.compile(pattern, re.DOTALL)


_SHAPES: Final = [(message, _shape(message)) for message in PATTERNS]
