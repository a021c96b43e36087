"""Finds and masks payment card numbers, which this service must never hold: by issuer, length and check digit, whatever
separates or encodes the digits."""

import re
import unicodedata
from collections.abc import Iterator
from html import unescape
from typing import Final, NamedTuple
from urllib.parse import unquote

MASK: Final = "***"

#: First digits and lengths by issuer (ISO/IEC 7812, the issuers' public tables): Visa, Mastercard, American Express,
#: Diners, JCB, UnionPay and Discover, Maestro, Mir. Lengths exclude IMEIs (15 digits, from 35), ranges exclude times in
#: milliseconds and most order numbers.
_ISSUERS: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"
    r"|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11,16}"
    r"|35(?:2[89]|[3-8]\d)\d{12,15}"
    r"|(?:62|64[4-9]|65|81)\d{12,17}"
    r"|(?:50|5[6-9]|6[0-9])\d{11,17}"
    r"|220[0-4]\d{12,15}"
)
FEWEST: Final = 13
_MOST: Final = 19

#: How cards print their digits.
_GROUPINGS: Final = frozenset(
    {(4, 4, 4, 4), (4, 4, 4, 4, 1), (4, 4, 4, 4, 2), (4, 4, 4, 4, 3), (4, 6, 5), (4, 6, 4), (6, 13), (4, 4, 4, 1)}
)
_LONGEST_GROUP: Final = 4

#: A word of letters and digits, or a UUID, with what separates it from the one before.
_WORD: Final = re.compile(r"([\W_]*)([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![^\W_])|[^\W_]+)")
#: Characters between two groups of one number.
_SEPARATOR_MAX: Final = 3

# A pre-check at a twentieth of the cost, which most texts fail: thirteen digits with only separators between them. In
# JSON a quote and a bracket end a text.
_FEWEST: Final = b"0" * FEWEST
_DIGITS_ALIKE: Final = bytes.maketrans(b"123456789", b"0" * 9)
_ASCII: Final = bytes(range(128))
_BETWEEN: Final = b" !#$%&'()*+,-./:;<=>?@\\^_`|~\t\r\n" + bytes(range(128, 256))
_DIGIT: Final = re.compile(r"\d")


class _Group(NamedTuple):
    """Digits in a row: where, and what separates them from the group before; ``None`` where that is no group."""

    start: int
    end: int
    digits: str
    before: str | None


def holds_card_number(text: str, *, may_be_trade_code: bool = False) -> bool:
    """Whether ``text`` contains a card number, in the digits of any script, percent-encoded, or as HTML entities.

    ``may_be_trade_code``: the field holds trade codes, so 13 digits with the check digit of an EAN are one.
    """
    if not _has_digits(text):
        return False
    if may_be_trade_code and _is_ean(text.strip()):
        return False
    return any(True for _ in _cards(text)) or ((plain := _decoded(text)) != text and any(True for _ in _cards(plain)))


def may_hold_card_number(raw: bytes) -> bool:
    """``False`` when a text encoded in UTF-8 cannot contain a card number: a cheap check before the exact one."""
    if _FEWEST in raw.translate(_DIGITS_ALIKE, _BETWEEN) or (b"&" in raw and b";" in raw):
        return True
    others = raw.translate(None, _ASCII)
    return bool(others) and _DIGIT.search(unicodedata.normalize("NFKC", others.decode(errors="ignore"))) is not None


def without_card_numbers(text: str) -> str:
    """``text`` with its card numbers masked; all of it, where the number is in encoded characters."""
    if not _has_digits(text):
        return text
    for start, end in reversed(list(_cards(text))):
        text = text[:start] + MASK + text[end:]
    return MASK if (plain := _decoded(text)) != text and any(True for _ in _cards(plain)) else text


def _has_digits(text: str) -> bool:
    return len(_DIGIT.findall(text)) >= FEWEST or "&" in text or not text.isascii()


def _decoded(text: str) -> str:
    """``text`` without percent encoding, HTML entities and the compatibility forms of digits."""
    return unicodedata.normalize("NFKC", unescape(unquote(unquote(text))))


def _cards(text: str) -> Iterator[tuple[int, int]]:
    """Where card numbers begin and end, from left to right, none inside another."""
    groups = list(_groups(text))
    after = 0
    for first, group in enumerate(groups):
        if group.start < after:
            continue
        count = 0
        for last in range(first, len(groups)):
            if last > first and groups[last].before is None:
                break
            count += len(groups[last].digits)
            if count > _MOST:
                break
            if count >= FEWEST and _is_separate(groups, first, last) and _is_card(groups[first : last + 1]):
                after = groups[last].end
                yield group.start, after
                break


def _groups(text: str) -> Iterator[_Group]:
    follows = False
    for found in _WORD.finditer(text):
        between, word = found[1], found[2]
        if not word.isdecimal():
            follows = False
            continue
        before = between if follows and len(between) <= _SEPARATOR_MAX else None
        yield _Group(found.start(2), found.end(2), "".join(str(int(sign)) for sign in word), before)
        follows = True


def _is_separate(groups: list[_Group], first: int, last: int) -> bool:
    """Whether these groups are a number of their own: others beside them are separated in another way, or the groups
    are as cards print them and those beside them, an expiry date perhaps, are shorter."""
    inside = {group.before for group in groups[first + 1 : last + 1]}
    previous = groups[first - 1] if groups[first].before is not None else None
    following = groups[last + 1] if last + 1 < len(groups) and groups[last + 1].before is not None else None
    beside = [
        neighbour
        for neighbour, separator in ((previous, groups[first].before), (following, following and following.before))
        if neighbour is not None and separator in inside
    ]
    if not beside:
        return True
    printed = tuple(len(group.digits) for group in groups[first : last + 1]) in _GROUPINGS
    return printed and all(len(group.digits) < _LONGEST_GROUP for group in beside)


def _is_card(groups: list[_Group]) -> bool:
    digits = "".join(group.digits for group in groups)
    return _ISSUERS.fullmatch(digits) is not None and _luhn(digits)


def _luhn(digits: str) -> bool:
    numbers = [int(sign) for sign in digits]
    doubled = sum(sum(divmod(2 * number, 10)) for number in numbers[-2::-2])
    return (sum(numbers[-1::-2]) + doubled) % 10 == 0


def _is_ean(text: str) -> bool:
    """EAN-13 (GTIN-13): digits weighted 1 and 3 in turn add up to a multiple of 10."""
    if len(text) != FEWEST or not (text.isascii() and text.isdigit()):
        return False
    numbers = [int(sign) for sign in text]
    return (sum(numbers[::2]) + 3 * sum(numbers[1::2])) % 10 == 0
