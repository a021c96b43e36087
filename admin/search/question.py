"""What a person types into the search box, as look-ups and conditions. Pure: the time comes in as an argument."""

import re
from collections.abc import Callable
from datetime import datetime, time, timedelta
from types import MappingProxyType
from typing import Final
from uuid import UUID

import msgspec

from admin.language import N_, gettext, ngettext
from admin.retelling import retold
from billing.errors import InvalidMoney
from billing.money import EXPONENTS, MAX_AMOUNT, from_decimal_string
from billing.vocabulary import PaymentStatus
from runtime.logging.card_numbers import holds_card_number
from storage.payments.search import Conditions

#: Characters of a question: the longest reference that a provider may use, and some conditions.
MAX_LENGTH: Final = 300
#: A currency of two digits, by which an amount without one is read.
_TWO_DIGITS: Final = "RUB"
_DAY: Final = timedelta(days=1)

_LAST4: Final = re.compile(r"\*{1,12}(\d{4})")
_FOUR: Final = re.compile(r"\d{4}")
_AMOUNT: Final = re.compile(r"(\d{1,13}(?:[.,]\d{1,3})?)(?:\.\.(\d{1,13}(?:[.,]\d{1,3})?))?")
_TIMES: Final = re.compile(r"(\d{1,2}:\d{2})\.\.(\d{1,2}:\d{2})")
_PHONE: Final = re.compile(r"\+\d[\d()-]{6,}")
_REFERENCE: Final = re.compile(r"[!-~]+")
#: What can be given once.
NAMES: Final = (
    N_("amount"), N_("created from"), N_("created to"), N_("currency"), N_("customer id"), N_("last4"), N_("provider"),
    N_("statuses"),
)  # fmt: skip
#: States of a payment that can still change by themselves.
OPEN: Final = (PaymentStatus.PENDING, PaymentStatus.AUTHORIZED)


class Unclear(Exception):
    """The question cannot be answered. The message says why, and what to type instead; it repeats nothing personal."""


class Question(msgspec.Struct, frozen=True):
    """``id``: of a payment, order, operation or subscription. ``reference``: a provider's name of something, or a
    customer. ``conditions``: of a scan; ``None`` where only the look-ups are asked for."""

    id: UUID | None = None
    reference: str | None = None
    conditions: Conditions | None = None

    @property
    def shape(self) -> list[str]:
        """What was asked by, without the values: for the trail."""
        names = ["id"] if self.id is not None else []
        names += ["reference"] if self.reference is not None else []
        conditions = {} if self.conditions is None else msgspec.structs.asdict(self.conditions)
        return names + [name for name, value in conditions.items() if value not in (None, ())]


class _Draft:
    """What is understood so far. A second answer to the same question is a contradiction."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.values: dict[str, object] = {}
        self.amount: tuple[str, str] | None = None
        self.id: UUID | None = None
        self.reference: str | None = None

    def set(self, name: str, value: object) -> None:
        if name in self.values:
            raise Unclear(gettext("Give %(name)s once.", name=gettext(name.replace("_", " "))))
        self.values[name] = value

    def set_reference(self, text: str) -> None:
        if self.reference is not None:
            raise Unclear(gettext("Give one id at a time."))
        self.reference = text
        try:
            self.id = UUID(text)
        except ValueError:
            self.id = None

    def set_amount(self, text: str) -> bool:
        match = _AMOUNT.fullmatch(text)
        if match is None:
            return False
        if self.amount is not None:
            raise Unclear(gettext("Give one amount, or a range as 100..500."))
        low = match[1].replace(",", ".")
        self.amount = (low, low if match[2] is None else match[2].replace(",", "."))
        return True

    def set_days(self, text: str) -> bool:
        first, separator, last = text.partition("..")
        begin = _day(first, self.now)
        end = _day(last, self.now) if separator else begin
        if begin is None or end is None:
            return False
        self.set("created_from", begin)
        self.set("created_to", end + _DAY)
        return True

    def set_times(self, text: str) -> bool:
        match = _TIMES.fullmatch(text)
        if match is None:
            return False
        begin, end = self.values.get("created_from"), self.values.get("created_to")
        if not isinstance(begin, datetime) or end != begin + _DAY:
            raise Unclear(gettext("Give the day before the hours, as in 2026-11-25 10:00..12:00."))
        try:
            first, last = (
                datetime.combine(begin, time.fromisoformat(t.zfill(5)), begin.tzinfo) for t in match.groups()
            )
        except ValueError:
            raise Unclear(gettext("Give hours as 10:00..12:00.")) from None
        self.values |= {"created_from": first, "created_to": last}
        return True

    def build(self) -> Question:
        if self.amount is not None:
            self.set("amount", self._minor(self.amount))
        is_scan = bool(self.values) or self.reference is None
        return Question(self.id, self.reference, self._conditions() if is_scan else None)

    def _conditions(self) -> Conditions:
        if self.reference is not None and self.amount is None:
            raise Unclear(gettext("An id finds its payments alone: leave the other conditions out."))
        return Conditions(**self.values)  # type: ignore[arg-type]  # each was checked when it was set

    def _minor(self, amount: tuple[str, str]) -> tuple[int, int]:
        currency = str(self.values.get("currency", _TWO_DIGITS))
        try:
            low, high = (from_decimal_string(_canonical(text), currency) for text in amount)
        except InvalidMoney as error:
            raise Unclear(
                gettext("This is no amount of %(currency)s: %(why)s.", currency=currency, why=retold(str(error)))
            ) from None
        if low > high or high > MAX_AMOUNT:
            raise Unclear(gettext("Give the smaller amount first, and none above a trillion."))
        return low, high


def parse(text: str, now: datetime) -> Question:
    """Understand ``text``. ``now``: in the zone of the person, whose days are meant. Raises :class:`Unclear`."""
    if len(text) > MAX_LENGTH:
        raise Unclear(
            ngettext(
                "Type at most %(count)s character.", "Type at most %(count)s characters.", MAX_LENGTH, count=MAX_LENGTH
            )
        )
    if holds_card_number(text):
        raise Unclear(gettext("Card numbers are not kept and not searched for: type the last four digits, as *4242."))
    draft = _Draft(now)
    for word in text.split():
        key, separator, value = word.partition(":")
        if separator and key.lower() in _KEYS:
            _KEYS[key.lower()](draft, value)
        else:
            _understand(draft, word)
    return draft.build()


def _understand(draft: _Draft, word: str) -> None:
    """One word without a key."""
    if (match := _LAST4.fullmatch(word)) is not None:
        draft.set("last4", match[1])
    elif word.upper() in EXPONENTS:
        draft.set("currency", word.upper())
    elif word.upper() in PaymentStatus.__members__:
        draft.set("statuses", (PaymentStatus(word.upper()),))
    elif word.lower() == "open":
        draft.set("statuses", OPEN)
    elif "@" in word or _PHONE.fullmatch(word) is not None:
        raise Unclear(gettext("Contacts are not searched for: type the customer's id."))
    elif draft.set_days(word) or draft.set_times(word):
        pass
    elif draft.set_amount(word):
        if word.isdecimal():
            draft.set_reference(word)  # providers number their payments too
    else:
        _reference(draft, word)


def _reference(draft: _Draft, word: str) -> None:
    if _REFERENCE.fullmatch(word) is None:
        raise Unclear(gettext("An id has letters, digits and signs of ASCII only."))
    draft.set_reference(word)


def _last4(draft: _Draft, value: str) -> None:
    if _FOUR.fullmatch(value) is None:
        raise Unclear(gettext("Give the last four digits, as last4:4242."))
    draft.set("last4", value)


def _status(draft: _Draft, value: str) -> None:
    names = [name for name in value.upper().split(",") if name]
    if names == ["OPEN"]:
        draft.set("statuses", OPEN)
        return
    if not names or not set(names) <= PaymentStatus.__members__.keys():
        raise Unclear(
            gettext("A status is one of %(names)s.", names=", ".join(("open", *map(str.lower, PaymentStatus))))
        )
    draft.set("statuses", tuple(dict.fromkeys(map(PaymentStatus, names))))


def _amount(draft: _Draft, value: str) -> None:
    if not draft.set_amount(value):
        raise Unclear(gettext("Give an amount as amount:299.00, a range as amount:100..500."))


def _date(draft: _Draft, value: str) -> None:
    if not draft.set_days(value):
        raise Unclear(
            gettext(
                "Give a day as 2026-11-25, 25.11.2026, 25.11, today or yesterday; a range as 2026-11-01..2026-11-25."
            )
        )


def _currency(draft: _Draft, value: str) -> None:
    if value.upper() not in EXPONENTS:
        raise Unclear(gettext("A currency is one of %(names)s.", names=", ".join(EXPONENTS)))
    draft.set("currency", value.upper())


def _text(name: str) -> Callable[[_Draft, str], None]:
    def take(draft: _Draft, value: str) -> None:
        if _REFERENCE.fullmatch(value) is None:
            raise Unclear(gettext("Give a value after %(name)s:, without spaces.", name=name.removesuffix("_id")))
        draft.set(name, value)

    return take


_KEYS: Final[MappingProxyType[str, Callable[[_Draft, str], None]]] = MappingProxyType(
    {
        "last4": _last4,
        "status": _status,
        "amount": _amount,
        "date": _date,
        "currency": _currency,
        "provider": _text("provider"),
        "customer": _text("customer_id"),
        "id": _reference,
        "payment": _reference,
        "order": _reference,
        "operation": _reference,
        "subscription": _reference,
        "ref": _reference,
    }
)


def _canonical(text: str) -> str:
    """Without leading zeros, as amounts are written."""
    whole, point, fraction = text.partition(".")
    return (whole.lstrip("0") or "0") + point + fraction


def _day(text: str, now: datetime) -> datetime | None:
    """The begin of a day in the zone of ``now``; ``None`` for what is no day."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    match text.lower():
        case "today" | "сегодня":
            return midnight
        case "yesterday" | "вчера":
            return midnight - _DAY
    for form in ("%Y-%m-%d", "%d.%m.%Y"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=now.tzinfo)
        except ValueError:
            continue
    return _day_of_year(text, midnight)


def _day_of_year(text: str, midnight: datetime) -> datetime | None:
    """``25.11``: the last such day that is not in the future. Both digits of the month are needed: ``25.1`` is an amount."""
    if re.fullmatch(r"\d{1,2}\.\d{2}", text) is None:
        return None
    day, month = map(int, text.split("."))
    for year in (midnight.year, midnight.year - 1):
        try:
            found = midnight.replace(year, month, day)
        except ValueError:
            continue
        if found <= midnight:
            return found
    return None
