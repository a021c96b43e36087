"""Money as integer minor units of an ISO 4217 currency. Never a float, anywhere."""

import re
from typing import Final

import msgspec

from billing.errors import CurrencyMismatch, InvalidMoney

#: ISO 4217 minor-unit exponents of the currencies the service accepts. A currency that is not here is refused
#: at the edge: guessing an exponent would move money by a factor of ten.
EXPONENTS: Final[dict[str, int]] = {
    "AMD": 2, "AZN": 2, "BYN": 2, "CNY": 2, "EUR": 2, "GBP": 2, "GEL": 2, "JPY": 0, "KGS": 2,
    "KWD": 3, "KZT": 2, "RUB": 2, "TRY": 2, "USD": 2, "UZS": 2,
}  # fmt: skip

#: The largest amount of one payment, in minor units. Far above any cart, far below BIGINT: sums of a million
#: payments of this size still fit.
MAX_AMOUNT: Final = 10**12

_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,14})(?:\.([0-9]+))?")
_SEPARATED = re.compile(r"[0-9]+([.,])([0-9]+)")
#: Digits of a group of thousands.
_THOUSANDS: Final = 3


def exponent(currency: str) -> int:
    """Digits after the decimal point of ``currency``; :class:`InvalidMoney` for a currency we do not accept."""
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise InvalidMoney(f"currency {currency!r} is not supported") from None


def to_decimal_string(amount: int, currency: str) -> str:
    """``12345`` minor units of RUB → ``"123.45"``, the form that most providers expect."""
    digits = exponent(currency)
    if amount < 0:
        raise InvalidMoney(f"a provider amount cannot be negative: {amount}")
    if digits == 0:
        return str(amount)
    whole, rest = divmod(amount, 10**digits)
    return f"{whole}.{rest:0{digits}d}"


def from_decimal_string(text: str, currency: str) -> int:
    """``"123.45"`` RUB → ``12345``. Refuses more decimals than the currency has unless they are zeros."""
    digits = exponent(currency)
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise InvalidMoney(f"not an amount: {text!r}")
    fraction = match[2] or ""
    if fraction[digits:].strip("0"):
        raise InvalidMoney(f"{text!r} has more decimals than {currency} allows")
    return int(match[1]) * int(10**digits) + int(fraction[:digits].ljust(digits, "0") or "0")


def from_typed(text: str, currency: str) -> int:
    """Minor units, from what people type: ``1 299,50`` RUB → ``129950``. Raises :class:`InvalidMoney`, also where the
    comma or the point may separate thousands: ``1,500`` RUB is not 1.50."""
    digits = exponent(currency)
    written = "".join(text.split())
    separated = _SEPARATED.fullmatch(written)
    if separated is not None:
        decimals = len(separated[2])
        if decimals > digits:
            raise InvalidMoney(f"{text!r} has more decimals than {currency} allows ({digits}): write thousands as 1500")
        if separated[1] == "," and decimals == _THOUSANDS:
            raise InvalidMoney(
                f"{text!r} may be thousands or decimals: write {written.replace(',', '')} or {written.replace(',', '.')}"
            )
    return from_decimal_string(written.replace(",", "."), currency)


class Money(msgspec.Struct, frozen=True, order=False):
    """An exact amount: ``amount`` minor units of ``currency``."""

    amount: int
    currency: str

    def __post_init__(self) -> None:
        exponent(self.currency)

    def __add__(self, other: "Money") -> "Money":
        return Money(self.amount + self._same(other).amount, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.amount - self._same(other).amount, self.currency)

    def _same(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} cannot be added")
        return other

    def __str__(self) -> str:
        sign = "-" if self.amount < 0 else ""
        return f"{sign}{to_decimal_string(abs(self.amount), self.currency)} {self.currency}"
