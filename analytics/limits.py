"""What fits into a column of ClickHouse, which wraps around silently or refuses the whole insert."""

from datetime import datetime
from typing import Final

from billing.errors import InvalidMessage

#: The years that DateTime64(6) can represent.
_YEARS: Final = range(1970, 2200)
INT64_END: Final = 2**63
UINT32_END: Final = 2**32


def check_time(time: datetime) -> None:
    """Raise :class:`~billing.errors.InvalidMessage` for a time that no column can hold."""
    if time.tzinfo is None or time.year not in _YEARS:
        raise misfit("a time", time)


def misfit(what: str, value: object) -> InvalidMessage:
    """The error for a value that no column can hold."""
    return InvalidMessage(f"{what} does not fit its column: {value}")
