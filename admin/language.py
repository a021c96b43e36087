"""The language and the time zone of whoever reads a page, and the panel's sentences in that language.

A sentence is written in English where it is said; ``admin/locale`` has it in the other languages, and a test asks that none
is missing. What is stored, exported or answered to programs stays English.
"""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, tzinfo
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Final, NamedTuple

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

#: The languages by their codes (BCP 47), each in its own name. The first is the one in which sentences are written.
LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "ru": "Русский"}
ENGLISH: Final = "en"
LOCALE: Final = Path(__file__).parent / "locale"
#: Languages that a browser may ask for; what follows is not read.
_ASKED_MAX: Final = 20


class Reader(NamedTuple):
    """Who reads."""

    language: str = ENGLISH
    zone: tzinfo = UTC


_READER: Final[ContextVar[Reader]] = ContextVar("reader", default=Reader())  # noqa: B039 - it is never changed


def reader() -> Reader:
    """Who reads what is written now. English and UTC outside a request."""
    return _READER.get()


def write_for(who: Reader) -> None:
    """Write for this reader until the request ends."""
    _READER.set(who)


@contextmanager
def writing_for(who: Reader) -> Iterator[None]:
    """A block that writes for this reader."""
    token = _READER.set(who)
    try:
        yield
    finally:
        _READER.reset(token)


def N_(message: str) -> str:  # noqa: N802 - the name that gettext's tools know
    """A sentence that is said elsewhere: it is put into the catalogue, and returned as it is."""
    return message


def gettext(message: str, **values: object) -> str:
    """The sentence in the reader's language, its places ``%(name)s`` filled in."""
    said = translations(reader().language).gettext(message) if message else ""
    return said % values if values else said


def ngettext(one: str, many: str, number: int, **values: object) -> str:
    """The sentence in the form that goes with the number."""
    said = translations(reader().language).ngettext(one, many, number)
    return said % values if values else said


def pgettext(context: str, message: str, **values: object) -> str:
    """The sentence, where one English text has several meanings; ``context`` says which is meant."""
    said = translations(reader().language).pgettext(context, message)
    return said % values if values else said


@cache
def translations(language: str) -> NullTranslations:
    """The catalogue of a language, compiled when it is first needed: a compiled file could be older than its source."""
    if language == ENGLISH:
        return NullTranslations()
    compiled = io.BytesIO()
    with (LOCALE / language / "LC_MESSAGES" / "billing.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return GNUTranslations(compiled)


def asked_language(header: str) -> str:
    """The language of ours that a browser likes best, by its ``Accept-Language`` (RFC 9110, 12.5.4)."""
    asked: list[tuple[float, str]] = []
    for part in header.split(",")[:_ASKED_MAX]:
        tag, _, quality = part.partition(";")
        try:
            weight = float(quality.strip().removeprefix("q=")) if quality else 1.0
        except ValueError:
            continue
        asked.append((-weight, tag.strip().lower().partition("-")[0]))
    known = [tag for weight, tag in sorted(asked, key=lambda one: one[0]) if weight < 0 and tag in LANGUAGES]
    return known[0] if known else ENGLISH
