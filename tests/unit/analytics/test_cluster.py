"""The schema of a cluster, from the one of a server."""

import pytest

from analytics.cluster import on_cluster
from analytics.migrate import read_migrations

STATEMENTS = [statement for migration in read_migrations() for statement in migration.statements]


def statement(start: str) -> str:
    (found,) = [text for text in STATEMENTS if f"{start}\n" in text or f"{start} " in text]
    return found


def test_a_table_becomes_a_replicated_one_on_every_node_and_a_distributed_one_over_them() -> None:
    local, distributed = on_cluster(statement("CREATE TABLE IF NOT EXISTS payment_versions"), "main")

    assert "CREATE TABLE IF NOT EXISTS payment_versions_local ON CLUSTER 'main'" in local
    assert (
        "ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/payment_versions_local', "
        "'{replica}', version)" in local
    )
    assert "SETTINGS replicated_deduplication_window = 1000" in local
    assert distributed == (
        "CREATE TABLE IF NOT EXISTS payment_versions ON CLUSTER 'main' AS payment_versions_local\n"
        "ENGINE = Distributed('main', currentDatabase(), payment_versions_local, cityHash64(payment_id))"
    )


def test_a_feed_reads_and_writes_on_its_own_node() -> None:
    (feed,) = on_cluster(statement("CREATE MATERIALIZED VIEW IF NOT EXISTS declines_feed"), "main")

    assert "declines_feed ON CLUSTER 'main' TO decline_states_local AS" in feed
    assert "FROM operation_versions_local\n" in feed


def test_a_view_reads_all_shards() -> None:
    (view,) = on_cluster(statement("CREATE VIEW IF NOT EXISTS payments"), "main")

    assert view.endswith("VIEW IF NOT EXISTS payments ON CLUSTER 'main' AS SELECT * FROM payment_versions FINAL")


def test_a_column_is_added_to_the_local_tables_first_then_to_the_distributed_one() -> None:
    local, distributed = on_cluster("ALTER TABLE operation_versions ADD COLUMN IF NOT EXISTS kind String", "main")

    assert local == "ALTER TABLE operation_versions_local ON CLUSTER 'main' ADD COLUMN IF NOT EXISTS kind String"
    assert distributed == "ALTER TABLE operation_versions ON CLUSTER 'main' ADD COLUMN IF NOT EXISTS kind String"


def test_a_view_is_replaced_on_every_node() -> None:
    (view,) = on_cluster(statement("CREATE OR REPLACE VIEW operations AS"), "main")

    assert view.endswith("VIEW operations ON CLUSTER 'main' AS SELECT * FROM operation_versions FINAL")


def test_a_view_with_comments_is_replaced_on_every_node() -> None:
    (view,) = on_cluster(statement("CREATE OR REPLACE VIEW payment_items\n("), "main")

    assert "CREATE OR REPLACE VIEW payment_items ON CLUSTER 'main'\n(\n    payment_id UUID COMMENT" in view
    assert view.endswith(")\nAS SELECT * FROM payment_item_versions FINAL")


@pytest.mark.parametrize("text", STATEMENTS)
def test_every_statement_reaches_every_node(text: str) -> None:
    for made in on_cluster(text, "main"):
        assert "ON CLUSTER 'main'" in made
        assert "ENGINE = ReplacingMergeTree" not in made
        assert "ENGINE = AggregatingMergeTree" not in made


@pytest.mark.parametrize("text", [s for s in STATEMENTS if "CREATE TABLE" in s and "ReplacingMergeTree" in s])
def test_versions_of_one_row_meet_on_one_shard(text: str) -> None:
    _, distributed = on_cluster(text, "main")

    assert "rand()" not in distributed
