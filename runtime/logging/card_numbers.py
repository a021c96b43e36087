"""Finds and masks payment card numbers, which this service must never hold: by form, issuer and check digit."""

import re
from typing import Final

#: Digits in a row, or in groups separated by one character, as cards print them. Digits that are part of a longer
#: word (a hash, a UUID) are no card number.
_SEPARATORS: Final = r"[ .\-\u00a0\u2009\u2010-\u2014]"
_GROUPED: Final = (
    rf"\d{{4}}(?:{_SEPARATORS}\d{{4}}){{3}}(?:{_SEPARATORS}\d{{1,3}})?|\d{{4}}{_SEPARATORS}\d{{6}}{_SEPARATORS}\d{{5}}"
)
_CANDIDATE: Final = re.compile(
    rf"(?<![0-9A-Za-z])(?:\d{{13,19}}|(?<!\d{_SEPARATORS})(?:{_GROUPED})(?!{_SEPARATORS}\d))(?![0-9A-Za-z])"
)

# A pre-check at a twentieth of the cost, which most texts fail: thirteen digits with only separators between them.
_FEWEST: Final = b"0" * 13
_DIGITS_ALIKE: Final = bytes.maketrans(b"123456789", b"0" * 9)
_ASCII: Final = bytes(range(128))
_BETWEEN: Final = b" .-" + bytes(range(128, 256))
_DIGIT: Final = re.compile(r"\d")

#: First digits by issuer, which exclude times in milliseconds and most order numbers: Visa, American Express, Diners,
#: JCB, Maestro and UnionPay, Mir, Mastercard of both ranges.
_ISSUER: Final = re.compile(r"4|3[0-9]|5[0-9]|6[0-9]|220[0-4]|22[2-9]|2[3-6]|27[01]|2720")

MASK: Final = "***"


def holds_card_number(text: str) -> bool:
    """Whether ``text`` contains a card number, in the digits of any script."""
    return any(_is_card(match[0]) for match in _CANDIDATE.finditer(text))


def may_hold_card_number(raw: bytes) -> bool:
    """``False`` when a text encoded in UTF-8 cannot contain a card number: a cheap check before the exact one."""
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
