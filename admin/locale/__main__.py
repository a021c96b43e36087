"""Bring the catalogues up to date: new sentences are added without a translation, those that are not said any more go."""

from datetime import UTC, datetime

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from admin.language import ENGLISH, LANGUAGES, LOCALE
from admin.locale.sentences import catalogue


def main() -> None:
    """Rewrite the file of every language."""
    found = catalogue()
    for language in LANGUAGES:
        if language != ENGLISH:
            _rewrite(found, language)


def _rewrite(found: Catalog, language: str) -> None:
    path = LOCALE / language / "LC_MESSAGES" / "billing.po"
    with path.open("rb") as file:
        known = read_po(file, locale=language)
    known.update(found, no_fuzzy_matching=True)
    known.obsolete.clear()
    known.creation_date = known.revision_date = datetime(2026, 1, 1, tzinfo=UTC)  # of no interest, and it would differ
    with path.open("wb") as file:
        write_po(file, known, width=120, omit_header=False, sort_output=True, no_location=False, include_lineno=False)


if __name__ == "__main__":
    main()
