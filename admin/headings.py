"""Titles of reports and of their columns in the reader's language. In English they follow from the name."""

from collections.abc import Collection

from admin.language import gettext, tongue
from analytics import words


def name(report: str) -> str:
    """``mrr_movements`` → ``MRR movements``."""
    return gettext(words.name(report))


def title(column: str) -> str:
    """``first_try_percent`` → ``first try``: the unit is said beside it."""
    return gettext(words.title(column))


def heading(column: str, money: Collection[str], currency: str | None) -> str:
    """The title with its unit: ``MRR, RUB``."""
    with words.speaking(tongue()):
        return words.heading(column, money, currency)
