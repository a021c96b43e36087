"""Which release of the service this is."""

from importlib.metadata import version as version_of
from typing import Final

DISTRIBUTION: Final = "cinema-billing"


def version() -> str:
    """The version in pyproject.toml, as the installed package has it."""
    return version_of(DISTRIBUTION)
