"""What the columns of a register mean, as data."""

import codecs
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from providers.statements import LineKind

MAPS: Final = Path(__file__).parent / "maps"
#: Fields without which there is no line.
REQUIRED: Final = ("amount", "time")

Field = Literal[
    "line_ref", "type", "own_id", "order_ref", "provider_ref", "amount", "currency", "settled", "settlement_currency", "fee",
    "fee_tax", "time", "available_on", "payout_ref", "method", "status",
]  # fmt: skip


class Totals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The row with which a register ends. ``row``: what stands in its column of types. ``lines``: the header of the column
    with the number of lines; the column of amounts has their sum."""

    row: str
    lines: str


class RegisterMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A register's columns.

    ``columns``: field of a line → header. ``types``: what stands in the column of types → kind of line; others become
    ``other``. Refunds, chargebacks, fees, payouts and reserves become negative, whatever sign the register writes. ``currency``: where no column has it.
    ``decimal``: between whole units and their parts; any space may group digits. ``amounts``: in whole units or in minor
    ones. ``zone``: of times without one. ``time_format``: as ``strptime`` takes it; without it ISO 8601. ``encoding``: by
    default UTF-8, or windows-1251 where a register is not UTF-8.
    """

    columns: Mapping[Field, str]
    types: Mapping[str, LineKind] = {}
    currency: str | None = None
    decimal: Literal[".", ","] = "."
    amounts: Literal["major", "minor"] = "major"
    zone: str | None = None
    time_format: str | None = None
    encoding: str | None = None
    totals: Totals | None = None

    def __post_init__(self) -> None:
        missing = [field for field in REQUIRED if field not in self.columns]
        if missing or not ("currency" in self.columns or self.currency):
            raise ValueError(f"a map needs {', '.join(missing or ['currency'])}")
        if self.zone is not None:
            ZoneInfo(self.zone)
        if self.encoding is not None:
            codecs.lookup(self.encoding)
        if self.totals is not None and "type" not in self.columns:
            raise ValueError("[totals] needs 'type' in [columns]: the row of totals is recognised by its type")


def load_map(name: str) -> RegisterMap:
    """One of ours by its name, or a file by its path. Raises :class:`ValueError` for one that is invalid."""
    path = Path(name) if name.endswith(".toml") else MAPS / f"{name}.toml"
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), RegisterMap)
    except (OSError, ValueError, LookupError, msgspec.ValidationError) as error:
        raise ValueError(f"{path}: {error}") from error
