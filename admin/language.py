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
from zoneinfo import ZoneInfo, available_timezones

from babel.dates import get_month_names
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import get_decimal_symbol

from analytics.words import Tongue

#: The languages by their codes (BCP 47), each in its own name. The first is the one in which sentences are written.
LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "ru": "Русский"}
ENGLISH: Final = "en"
LOCALE: Final = Path(__file__).parent / "locale"
#: Zones of places by their IANA names; those of offsets, and other names of the same, are left out.
_PLACES: Final = frozenset(
    ("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
)
ZONES: Final = ("UTC", *sorted(zone for zone in available_timezones() if zone.partition("/")[0] in _PLACES))
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


def reader_of(language: str | None, zone: str | None, header: str, default: tzinfo) -> Reader:
    """Who reads: in the language and the zone that they have chosen, else in the one that the ``Accept-Language`` of their
    browser asks for, and in ``default``. A choice that this release does not know is none."""
    chosen = language if language is not None and language in LANGUAGES else asked_language(header)
    return Reader(chosen, ZoneInfo(zone) if zone is not None and zone in ZONES else default)


@contextmanager
def writing_for(who: Reader) -> Iterator[None]:
    """A block that writes for this reader."""
    token = _READER.set(who)
    try:
        yield
    finally:
        _READER.reset(token)


def tongue() -> Tongue:
    """The reader's language, as charts and tables of reports speak it."""
    code = reader().language
    months = get_month_names("abbreviated", locale=code)
    return Tongue(code, gettext, tuple(months[number] for number in range(1, 13)), get_decimal_symbol(code))


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


def read_catalogues() -> None:
    """Compile all catalogues, so that a process with one that cannot be read does not start."""
    for language in LANGUAGES:
        translations(language)


@cache
def translations(language: str) -> NullTranslations:
    """The catalogue of a language, compiled by each process: a compiled file could be older than its source."""
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
