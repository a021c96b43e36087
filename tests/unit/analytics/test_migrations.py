"""Reading the ClickHouse migrations."""

from pathlib import Path

import pytest

from analytics.clickhouse import database_of
from analytics.migrate import read_migrations


def test_migrations_come_in_the_order_of_their_numbers_whatever_else_is_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "0002_second.sql").write_text("SELECT 2;\n")
    (tmp_path / "0001_first.sql").write_text("SELECT 1;\n")
    (tmp_path / "notes.txt").write_text("not a migration")

    assert [migration.name for migration in read_migrations(tmp_path)] == ["0001_first.sql", "0002_second.sql"]


def test_a_statement_ends_with_a_semicolon_at_the_end_of_a_line_only(tmp_path: Path) -> None:
    (tmp_path / "0001_two.sql").write_text("-- first; second\nSELECT ';' AS a\n;\nSELECT 2;  \n")

    (migration,) = read_migrations(tmp_path)

    assert migration.statements == ["-- first; second\nSELECT ';' AS a", "SELECT 2"]


def test_a_missing_number_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "0002_second.sql").write_text("SELECT 2;\n")

    with pytest.raises(AssertionError, match="not numbered"):
        read_migrations(tmp_path)


@pytest.mark.parametrize(
    ("url", "database"),
    [("http://u:p@host:8123/billing", "billing"), ("http://host:8123/", "default"), ("http://host:8123", "default")],
)
def test_the_url_names_the_database(url: str, database: str) -> None:
    assert database_of(url) == database


def test_every_statement_of_ours_bears_repetition() -> None:
    statements = [statement for migration in read_migrations() for statement in migration.statements]

    assert statements
    repeatable = (" IF NOT EXISTS ", " IF EXISTS ", "CREATE OR REPLACE VIEW ", " MODIFY COLUMN ")
    assert all(any(words in statement for words in repeatable) for statement in statements)
