"""Sentences of other layers, which know no reader, in the reader's language: timelines, why a command is refused, why a
second person is asked. They are made in English, stored and answered to programs so. A :class:`~billing.sentence.Sentence`
has its template and values; of one that was stored the page finds the template by its pattern."""

import re
from datetime import date, datetime
from enum import Enum
from typing import Final

from admin.formatting import day, grouped, moment, sum_of
from admin.language import ENGLISH, N_, gettext, reader
from billing.money import Money, from_decimal_string
from billing.reasons import Reason
from billing.sentence import Code, Sentence, Value, has_words
from billing.vocabulary import OperationStatus, OperationType, PaymentStatus

_PLACE: Final = re.compile(r"%\((\w+)\)s")
_MONEY: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ([A-Z]{3})")

#: The sentences, without their capital and full stop. The first that fits counts.
PATTERNS: Final = (
    N_("corrections are always made by two people"),
    N_("bulk refunds are always made by two people"),
    N_("%(amount)s is above %(limit)s, the limit of the role"),
    N_("%(amount)s is above %(limit)s, the limit of one person"),
    N_("with it one person gives back %(amount)s within 24 hours, more than %(limit)s"),
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
    N_(
        "%(amount)s %(currency)s in minor units are above the limit of one person: decide in the panel, where a second"
        " person approves it"
    ),
    N_("a discrepancy that is %(state)s cannot be %(event)s"),
    N_("%(id)s has just been resolved by somebody else"),
    N_("%(id)s was %(action)s by %(who)s at %(time)s"),
    N_("dead letter %(id)s came from %(topic)s, which is not a topic of ours"),
    N_("API client %(name)s exists already: rotate its key"),
    N_("there is no API client %(name)s"),
    N_("%(name)s was given another key meanwhile: revoke that one if nobody has seen it"),
    N_("%(name)s has %(count)s live keys: revoke the old one first"),
    N_("there is no live key %(id)s"),
    N_("%(provider)s: discrepancies have changed and are not posted yet"),
    N_("%(provider)s: the statement of %(day)s is not cleared"),
    N_("%(provider)s: %(amount)s %(currency)s in minor units are not explained"),
    N_("a run of %(provider)s is under way"),
    N_("%(day)s is closed already; the first open day is %(open)s"),
    N_("days are closed in order: %(day)s is open"),
    N_("%(day)s is not over: it is %(today)s in %(zone)s"),
    N_("the first open day is %(day)s"),
    N_("somebody has asked to close %(day)s already"),
    N_("every statement is cleared, every balance explained"),
    N_("the statement is doubted"),
    N_("the statement has nothing, the other side %(count)s"),
    N_("our books has nothing, the other side %(count)s"),
    N_("%(count)s of %(all)s have no counterpart; more than %(allowed)s is no day's work but a wrong file"),
    N_("there is no file any more; its lines are known"),
    N_("nothing moved, and there is no file"),
    N_("lost: what was read is not staged any more"),
    N_("incomplete: the file is empty"),
    N_("incomplete: there is no row of totals"),
    N_("incomplete: nothing shows that the file is whole"),
    N_("incomplete: the file is another than its sha256"),
    N_("incomplete: the last row does not end"),
    N_("incomplete: row %(number)s follows the totals"),
    N_("incomplete: row %(number)s has %(count)s cells of %(width)s"),
    N_("incomplete: row %(number)s states %(count)s lines of %(sum)s, there are %(lines)s of %(found)s"),
    N_("other_columns: row %(number)s has %(count)s cells, not %(width)s"),
    N_("other_columns: no %(columns)s"),
    N_("unreadable_text: not %(encoding)s, after row %(number)s"),
    N_("%(why)s (row %(number)s)"),
    N_("the line has characters that are not UTF-8; save the file as “CSV UTF-8”"),
    N_("a quotation mark is not closed, or stands inside a cell"),
    N_("the line has %(found)s, the first line names %(count)s columns"),
    N_("“%(text)s” is not the id of a payment"),
    N_("the id of the payment is missing"),
    N_("line %(number)s names the same payment; of several lines only the first that can be read is taken"),
    N_("the amount holds a card number: these are kept nowhere"),
    N_("the amount is not a number"),
    N_("a %(status)s payment has no hold"),
    N_("a %(status)s payment has nothing to refund"),
    N_("a %(status)s payment is closed"),
    N_("the outcome of %(operation)s is not known yet"),
    N_("%(operation)s is in progress"),
    N_("this Idempotency-Key was used before with another body"),
    N_("this Idempotency-Key was used before for another operation"),
    N_("the payment has no refund %(id)s at %(provider)s"),
    N_("%(ref)s is %(operation)s of %(amount)s, which is %(status)s: correct that"),
    N_("the charge of a saved method captures by itself: correct %(id)s"),
    N_("%(amount)s are captured already"),
    N_("the refund is %(status)s: it has not succeeded here yet"),
    N_("%(amount)s of %(whole)s came back: only a whole refund is undone"),
    N_("the payment is at %(provider)s, not at %(other)s"),
    N_("the first payment is open: pay it, or replace it"),
    N_("the customer has a subscription in this group; it can be changed or kept"),
    # In what a provider contradicts the books. “There” is the provider.
    N_("the currency is %(other)s there, %(currency)s here"),
    N_("%(operation)s succeeded there and failed here"),
    N_("%(operation)s succeeded there, %(amount)s are captured here"),
    N_("%(operation)s succeeded there, %(amount)s can be refunded here"),
    N_("%(operation)s failed there and succeeded here"),
    N_("%(operation)s failed there"),
    N_("%(operation)s was corrected here"),
    N_("captured there, the amount is not stated"),
    N_("captured there without a request"),
    N_("%(amount)s captured there without a request"),
    N_("%(amount)s captured there of %(held)s here"),
    N_("released there without a request"),
    N_("partly refunded there, the amount is not stated"),
    N_("refunded there without a request"),
    N_("%(amount)s refunded there without a request"),
    N_("%(amount)s refunded there, and which of our open refunds that was is not known"),
    N_("%(amount)s refunded there that open refunds reserve here"),
    N_("%(amount)s refunded there, %(gone)s of %(taken)s here, %(back)s of it charged back"),
    N_("%(amount)s refunded there, %(gone)s of %(taken)s here"),
    N_("%(what)s: %(there)s there, %(here)s here"),
    N_("%(there)s there, %(here)s here"),
)
_REASONS: Final = frozenset(Reason)
#: Codes that such sentences have as values.
_CODES: Final = frozenset((*PaymentStatus, *OperationStatus, *OperationType))


def retold(sentence: str) -> str:
    """The sentence in the reader's language; as it is where it has no pattern."""
    if isinstance(sentence, Sentence) and sentence.values:
        template = gettext(sentence.template) if has_words(sentence.template) else sentence.template
        return template % {name: _said(value) for name, value in sentence.values.items()}
    if reader().language == ENGLISH:
        return sentence
    said = sentence.removesuffix(".")
    for message, shape in _SHAPES:
        if (found := shape.fullmatch(said)) is not None:
            return gettext(message, **{name: _value(text) for name, text in found.groupdict().items()})
    return words_of(sentence) if sentence in _REASONS else gettext(sentence)


def words_of(code: str) -> str:
    """``CHURN_VOLUNTARY`` → ``churn voluntary``, ``payment.capture`` → ``capture``, in the reader's language."""
    return gettext(plain_words(code))


def plain_words(code: str) -> str:
    """The same in English: the key of the catalogue."""
    return code.rpartition(".")[2].replace("_", " ").lower()


def _said(value: Value) -> str:
    match value:
        case Enum() | Code():
            return words_of(str(value))
        case str():
            return retold(value) if isinstance(value, Sentence) else value
        case Money():
            return sum_of(value.amount, value.currency)
        case datetime():
            return moment(value)
        case date():
            return day(value)
        case int():
            return grouped(value)


def _value(text: str) -> str:
    """A value of a sentence that was stored: an amount, a code, an operation with its id, or a text."""
    if (found := _MONEY.fullmatch(text)) is not None:
        return sum_of(from_decimal_string(found[1], found[2]), found[2])
    code, space, rest = text.partition(" ")
    return f"{words_of(code)}{space}{rest}" if code.upper() in _CODES else text


def _shape(message: str) -> re.Pattern[str]:
    """The pattern; its first letter may have become a capital."""
    parts = _PLACE.split(message)
    texts, names = parts[::2], parts[1::2]
    pattern = "".join(f"(?i:{re.escape(letter)})" for letter in texts[0][:1]) + re.escape(texts[0][1:])
    for name, text in zip(names, texts[1:], strict=True):
        pattern += f"(?P<{name}>.+?){re.escape(text)}"
    return re.compile(pattern, re.DOTALL)


_SHAPES: Final = [(message, _shape(message)) for message in PATTERNS]
