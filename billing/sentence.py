"""English sentences that can be translated: a text that keeps the template and the values it is made of. The command line,
JSON and Postgres have the English text; pages look the template up in the catalogue of the reader's language."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from enum import Enum
from typing import Final, Self

from billing.money import Money

_PLACE: Final = re.compile(r"%\(\w+\)s")
_LETTER: Final = re.compile(r"[^\W\d_]")


class Code(str):
    """A word of the code, such as ``CAPTURED`` or ``operation_id``, that pages write as words of their language. Members of
    enumerations are codes too."""

    __slots__ = ()


#: A text that is no sentence and no code, such as an id or a name, is the same in every language.
Value = str | int | date | Money | Enum


class Sentence(str):
    """``template`` has a place ``%(name)s`` for each of ``values``; one without letters, such as ``%(from)s → %(to)s``, is the
    same in every language. In English an amount is written as ``12.50 RUB``, a time as in ISO 8601, in UTC, and a day as ``3 November 2026``."""

    __slots__ = ("template", "values")

    template: str
    values: Mapping[str, Value]

    def __new__(cls, template: str, /, **values: Value) -> Self:
        written = {name: _written(value) for name, value in values.items()}
        made = super().__new__(cls, template % written if values else template)
        made.template = template
        made.values = values
        return made


def has_words(template: str) -> bool:
    """Whether the template has words, which have to be translated."""
    return _LETTER.search(_PLACE.sub("", template)) is not None


def joined(by: str, *parts: Value | None) -> Sentence:
    """The parts that there are, with ``by`` between them."""
    values = {f"part{number}": part for number, part in enumerate(parts) if part is not None}
    return Sentence(by.join(f"%({name})s" for name in values), **values)


def _written(value: Value) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return f"{value.day} {value:%B %Y}" if isinstance(value, date) else str(value)
