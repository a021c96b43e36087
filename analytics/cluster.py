"""Rewrites the migrations for a cluster: Replicated tables on every node, Distributed tables over them. Pure text.

A migration is written for one server. On a cluster each ``CREATE TABLE name`` becomes ``name_local``, its engine the
Replicated one, and ``name`` a Distributed table over all shards, so that inserts and queries
stay the same. Rows of one payment, subscription, discrepancy or business day go to one shard, since versions replace each other only within
a shard and FINAL works shard by shard.
"""

import re
from typing import Final

_TABLE: Final = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+)")
_ENGINE: Final = re.compile(r"\bENGINE = (\w*MergeTree)(?:\((\w+)\))?")
_FEED: Final = re.compile(r"CREATE MATERIALIZED VIEW IF NOT EXISTS (\w+) TO (\w+) AS(.*)\bFROM (\w+)", re.DOTALL)
_VIEW: Final = re.compile(r"CREATE (OR REPLACE )?VIEW (IF NOT EXISTS )?(\w+)")
_ALTER: Final = re.compile(r"ALTER TABLE (\w+)")
_COLUMN: Final = r"^    {name} "
#: ZooKeeper path and replica name; the macros are set in the servers' configuration.
_REPLICATED: Final = "'/clickhouse/tables/{{shard}}/{{database}}/{table}', '{{replica}}'"
#: The sharding key: the first of these columns that the table has.
_SHARD_BY: Final = ("discrepancy_id", "subscription_id", "payment_id", "business_date", "stream_partition")


def on_cluster(statement: str, cluster: str) -> list[str]:
    """The statements that have the effect of ``statement`` on all nodes of ``cluster``."""
    on = f"ON CLUSTER '{cluster}'"
    if (table := _TABLE.search(statement)) is not None:
        name = table[1]
        local = _TABLE.sub(f"CREATE TABLE IF NOT EXISTS {name}_local {on}", statement)
        local = _ENGINE.sub(lambda engine: _replicated(engine, f"{name}_local"), local)
        local = local.replace("non_replicated_deduplication_window", "replicated_deduplication_window")
        distributed = (
            f"CREATE TABLE IF NOT EXISTS {name} {on} AS {name}_local\n"
            f"ENGINE = Distributed('{cluster}', currentDatabase(), {name}_local, {_sharding_key(statement)})"
        )
        return [local, distributed]
    if _FEED.search(statement) is not None:
        # A feed runs on each node, on the rows inserted there.
        to = rf"CREATE MATERIALIZED VIEW IF NOT EXISTS \1 {on} TO \2_local AS\3FROM \4_local"
        return [_FEED.sub(to, statement)]
    if _ALTER.search(statement) is not None:
        # The local tables first: the Distributed one reads its columns from them.
        return [_ALTER.sub(rf"ALTER TABLE \1{suffix} {on}", statement, count=1) for suffix in ("_local", "")]
    return [_VIEW.sub(lambda view: f"{view[0]} {on}", statement, count=1)]


def _replicated(engine: re.Match[str], table: str) -> str:
    arguments = _REPLICATED.format(table=table) + (f", {engine[2]}" if engine[2] else "")
    return f"ENGINE = Replicated{engine[1]}({arguments})"


def _sharding_key(statement: str) -> str:
    for column in _SHARD_BY:
        if re.search(_COLUMN.format(name=column), statement, re.MULTILINE):
            return f"cityHash64({column})"
    return "rand()"  # filled by feeds on each node, never through the Distributed table
