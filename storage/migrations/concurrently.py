"""Indexes built without stopping writes. Call from an autocommit block; the steps may be repeated after a failure."""

from collections.abc import Sequence

from alembic import op
from sqlalchemy import text

_MISSING = text(
    "SELECT c.relname FROM pg_inherits p JOIN pg_class c ON c.oid = p.inhrelid"
    " WHERE p.inhparent = to_regclass(:table) AND NOT EXISTS ("
    "   SELECT FROM pg_index i JOIN pg_inherits a ON a.inhrelid = i.indexrelid"
    "   WHERE i.indrelid = c.oid AND a.inhparent = to_regclass(:index)"
    " ) ORDER BY 1"
)


def partition_indexes(table: str, index: str, columns: str) -> None:
    """Build the missing parts of a unique index that was created ``ON ONLY`` a partitioned table, and attach them."""
    # A build waits for older transactions, and blocks no write meanwhile.
    op.execute("SET lock_timeout = 0")
    names = {partition: f"{partition}_{index.removeprefix(table + '_')}" for partition in missing_parts(table, index)}
    for partition, name in names.items():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")  # an invalid one, left by a build that failed
        op.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {partition} {columns}")
    op.execute("SET lock_timeout = '2s'")
    for name in names.values():
        op.execute(f"ALTER INDEX {index} ATTACH PARTITION {name}")


def missing_parts(table: str, index: str) -> Sequence[str]:
    """The partitions without a part of the index."""
    return op.get_bind().execute(_MISSING, {"table": table, "index": index}).scalars().all()
