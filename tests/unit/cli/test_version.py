"""`billing version` says which release this is."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from billing.messages import MESSAGE_TYPES
from cli.main import app

ROOT = Path(__file__).parents[3]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.setenv("BILLING_REVISION", "4f1c2aa")
    return json.loads(CliRunner().invoke(app, ["version", "--json"]).stdout)


def test_the_version_is_the_projects(shown):
    assert shown["version"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_revision_is_the_images(shown):
    assert shown["revision"] == "4f1c2aa"


def test_the_schema_is_the_newest_migration(shown):
    newest = max((ROOT / "storage" / "migrations" / "versions").glob("[0-9]*.py"))
    assert newest.name.startswith(f"{shown['schema']}_")


def test_all_message_types_are_listed(shown):
    assert shown["message_types"] == sorted(MESSAGE_TYPES)


def test_a_person_reads_the_same(monkeypatch):
    monkeypatch.setenv("BILLING_REVISION", "4f1c2aa")
    text = CliRunner().invoke(app, ["version"]).stdout
    assert re.match(r"cinema-billing \d+\.\d+\.\d+, revision 4f1c2aa, schema \d{4}\n", text)
    assert set(MESSAGE_TYPES) <= set(text.split())
