"""Indexes built without stopping writes. Call from an autocommit block; each step may be repeated after a failure."""

from alembic import op
from sqlalchemy import text

_PARTITIONS = text(
    "SELECT c.relname, i.indexrelid IS NOT NULL"
    " FROM pg_inherits p JOIN pg_class c ON c.oid = p.inhrelid"
    " LEFT JOIN (pg_index i JOIN pg_inherits a ON a.inhrelid = i.indexrelid AND a.inhparent = to_regclass(:index))"
    " ON i.indrelid = c.oid"
    " WHERE p.inhparent = to_regclass(:table) ORDER BY 1"
)


def partition_indexes(table: str, index: str, columns: str) -> None:
    """Build the missing parts of a unique index that was created ``ON ONLY`` a partitioned table, and attach them."""
    for partition, attached in op.get_bind().execute(_PARTITIONS, {"table": table, "index": index}).all():
        if attached:
            continue
        name = f"{partition}_{index.removeprefix(table + '_')}"
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")  # an invalid one, left by a build that failed
        op.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {partition} {columns}")
        op.execute(f"ALTER INDEX {index} ATTACH PARTITION {name}")
