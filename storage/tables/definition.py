"""What the definitions of all tables share."""

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import (
    Column,
    DateTime,
    ForeignKey,
    MetaData,
    Table,
    text,
)
from sqlalchemy.dialects.postgresql import CHAR
from sqlalchemy.types import TypeEngine

METADATA: Final = MetaData()
TIME: Final = DateTime(timezone=True)
CURRENCY: Final = CHAR(3)


def required(name: str, type_: TypeEngine[Any], *rest: ForeignKey, default: str | None = None) -> Column[Any]:
    """A column that is never NULL. ``default``: SQL."""
    return Column(name, type_, *rest, nullable=False, server_default=None if default is None else text(default))


def columns(table: Table, *, prefix: str = "", without: Collection[str] = ()) -> str:
    """The names of a table's columns as an SQL list, each behind ``prefix`` (an alias with its dot)."""
    return ", ".join(f"{prefix}{column.name}" for column in table.columns if column.name not in without)
