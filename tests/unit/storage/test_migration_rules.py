"""Every migration after 0006 can run while the last release writes (docs/adr/0014)."""

import importlib
from pathlib import Path

import pytest

from storage.migrations import concurrently
from storage.schema import REVISION
from tests.support.migration_rules import sql_of, violations

VERSIONS = Path(concurrently.__file__).parent / "versions"
#: Migrations up to this one ran with the service stopped.
LAST_WITHOUT_RULES = "0006"
MIGRATIONS = sorted(path.stem for path in VERSIONS.glob("[0-9]*.py"))

TRIGGER = """
    CREATE TRIGGER fill BEFORE INSERT ON journal FOR EACH ROW WHEN (NEW.topic IS NULL) EXECUTE FUNCTION fill()
"""


@pytest.fixture(autouse=True)
def _one_partition(monkeypatch):
    monkeypatch.setattr(concurrently, "missing_parts", lambda *_: ["journal_2026_11"])


@pytest.mark.parametrize("name", [name for name in MIGRATIONS if name[:4] > LAST_WITHOUT_RULES])
def test_a_migration_can_run_while_the_last_release_writes(name):
    assert violations(sql_of(importlib.import_module(f"storage.migrations.versions.{name}"))) == []


def test_each_migration_follows_the_one_before_it():
    modules = [importlib.import_module(f"storage.migrations.versions.{name}") for name in MIGRATIONS]
    assert [(module.down_revision, module.revision) for module in modules] == [
        (before and before[:4], name[:4]) for before, name in zip([None, *MIGRATIONS], MIGRATIONS, strict=False)
    ]


def test_the_revision_that_processes_require_is_that_of_the_last_migration():
    assert MIGRATIONS[-1][:4] == REVISION


@pytest.mark.parametrize(
    ("sql", "violation"),
    [
        ("ALTER TABLE payments ADD COLUMN a text NOT NULL DEFAULT ''", "neither nullable nor filled"),
        ("ALTER TABLE payments ADD COLUMN a text NOT NULL DEFAULT '';" + TRIGGER, "neither nullable nor filled"),
        ("ALTER TABLE payments ADD COLUMN a timestamptz DEFAULT now()", "scans or rewrites"),
        ("ALTER TABLE payments ADD COLUMN a text UNIQUE", "scans or rewrites"),
        ("ALTER TABLE payments ADD COLUMN a text CHECK (a <> '')", "scans or rewrites"),
        ("CREATE INDEX i ON payments (status)", "not concurrently"),
        ("CREATE INDEX CONCURRENTLY i ON payments (status)", "not concurrently"),
        ("COMMIT; CREATE INDEX i ON payments (status); BEGIN;", "not concurrently"),
        ("DROP INDEX payments_list", "not concurrently"),
        ("ALTER TABLE payments ADD CONSTRAINT c CHECK (amount > 1)", "not NOT VALID"),
        ("ALTER TABLE payments ADD CONSTRAINT c FOREIGN KEY (client_id) REFERENCES api_clients", "not NOT VALID"),
        ("ALTER TABLE payments ADD CONSTRAINT c UNIQUE (order_ref)", "builds an index under a lock"),
        ("ALTER TABLE payments VALIDATE CONSTRAINT c", "validated in a transaction"),
        ("ALTER TABLE payments ALTER COLUMN amount TYPE numeric", "AT_AlterColumnType"),
        ("ALTER TABLE payments ALTER COLUMN reason SET NOT NULL", "AT_SetNotNull"),
        ("ALTER TABLE payments DROP COLUMN reason", "AT_DropColumn"),
        ("ALTER TABLE payments RENAME COLUMN reason TO cause", "renames, or"),
        ("ALTER TABLE payments RENAME TO bills", "renames, or"),
        ("DROP TABLE payments", "drops"),
        ("UPDATE payments SET reason = ''", "or changes rows"),
        ("SET lock_timeout = 0", "waits for a table longer"),
    ],
)
def test_what_stops_or_breaks_the_last_release_is_found(sql, violation):
    (found,) = violations(sql)
    assert violation in found


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE payments ADD COLUMN a text, ADD COLUMN b text DEFAULT 'x', ADD COLUMN c text[] DEFAULT '{}'",
        "ALTER TABLE journal ADD COLUMN topic text NOT NULL DEFAULT 'x';" + TRIGGER,
        "COMMIT; CREATE INDEX CONCURRENTLY i ON payments (status); DROP INDEX CONCURRENTLY j; BEGIN;",
        "CREATE INDEX i ON ONLY journal (type)",
        "CREATE TABLE t (a text NOT NULL); CREATE INDEX i ON t (a); ALTER TABLE t ALTER COLUMN a TYPE varchar",
        "ALTER TABLE payments ADD CONSTRAINT c CHECK (amount > 1) NOT VALID",
        "COMMIT; ALTER TABLE payments VALIDATE CONSTRAINT c; BEGIN;",
        "ALTER TABLE payments ADD CONSTRAINT c UNIQUE USING INDEX i, ALTER COLUMN amount DROP NOT NULL",
    ],
)
def test_what_only_adds_is_allowed(sql):
    assert violations(sql) == []
