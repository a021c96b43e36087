"""Payment card numbers, which must not be where we are: found by their form, their issuer and their check digit."""

import re
from typing import Final

#: Digits in a row, or in groups with one sign between: nothing else is printed on cards. What is part of a longer
#: word (a hash, a UUID) is none.
_SEPARATORS: Final = r"[ .\-\u00a0\u2009\u2010-\u2014]"
_GROUPED: Final = (
    rf"\d{{4}}(?:{_SEPARATORS}\d{{4}}){{3}}(?:{_SEPARATORS}\d{{1,3}})?|\d{{4}}{_SEPARATORS}\d{{6}}{_SEPARATORS}\d{{5}}"
)
_CANDIDATE: Final = re.compile(
    rf"(?<![0-9A-Za-z])(?:\d{{13,19}}|(?<!\d{_SEPARATORS})(?:{_GROUPED})(?!{_SEPARATORS}\d))(?![0-9A-Za-z])"
)

# What most texts do not get past, and at a twentieth of the price: thirteen digits with nothing but separators between.
_FEWEST: Final = b"0" * 13
_DIGITS_ALIKE: Final = bytes.maketrans(b"123456789", b"0" * 9)
_ASCII: Final = bytes(range(128))
_BETWEEN: Final = b" .-" + bytes(range(128, 256))
_DIGIT: Final = re.compile(r"\d")

#: First digits by issuer, which spare times in milliseconds and most order numbers: Visa, American Express, Diners,
#: JCB, Maestro and UnionPay, Mir, Mastercard of both ranges.
_ISSUER: Final = re.compile(r"4|3[0-9]|5[0-9]|6[0-9]|220[0-4]|22[2-9]|2[3-6]|27[01]|2720")

MASK: Final = "***"


def holds_card_number(text: str) -> bool:
    """Whether a card number stands anywhere in ``text``, in the digits of any script."""
    return any(_is_card(match[0]) for match in _CANDIDATE.finditer(text))


def may_hold_card_number(raw: bytes) -> bool:
    """``False`` when no card number can stand in a text encoded in UTF-8: for those who look at thousands a second."""
    if _FEWEST in raw.translate(_DIGITS_ALIKE, _BETWEEN):
        return True
    others = raw.translate(None, _ASCII)
    return bool(others) and _DIGIT.search(others.decode(errors="ignore")) is not None


def without_card_numbers(text: str) -> str:
    """``text`` with its card numbers masked."""
    return _CANDIDATE.sub(lambda match: MASK if _is_card(match[0]) else match[0], text)


def _is_card(candidate: str) -> bool:
    digits = [int(sign) for sign in candidate if sign.isdecimal()]
    if _ISSUER.match("".join(map(str, digits[:4]))) is None:
        return False
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + doubled) % 10 == 0
