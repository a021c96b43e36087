"""``billing clearing import --explain``: it needs no running stack."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.clearing.app import app

ROWS = (
    "type;operation_id;order_id;merchant_operation_id;amount;fee;currency;time;payout;note\n"
    "Debit;1;a;;1200.50;;RUB;2026-11-20T10:00:00+03:00;;x\n"
    "Odd;2;b;;100;;RUB;2026-11-20T10:00:00+03:00;;4111 1111 1111 1111\n"
)


def explained(file: Path, *options: str, code: int = 0) -> Any:
    done = CliRunner().invoke(app, ["import", str(file), "--provider", "tbank", "--explain", *options])
    assert done.exit_code == code, done.output
    return done.stdout


@pytest.fixture
def register(tmp_path: Path) -> Path:
    file = tmp_path / "register.csv"
    file.write_text(ROWS)
    return file


def test_each_column_says_what_it_became(register: Path) -> None:
    found = json.loads(explained(register, "--json"))
    assert found["columns"]["operation_id"] == ["line_ref", "provider_ref"]
    assert (found["columns"]["note"], found["types"]) == ([], ["Odd"])
    assert [row["line"]["kind"] for row in found["rows"]] == ["charge", "other"]
    shown = explained(register)
    assert "charge of 1200.50 RUB" in shown
    assert "4111 1111" not in shown


def test_a_missing_column_is_named_and_ends_with_1(register: Path) -> None:
    register.write_text(ROWS.replace("amount", "sum"))
    assert "amount" in explained(register, code=1).partition("missing")[2]


def test_a_map_of_ones_own_is_read(register: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('currency = "RUB"\n[columns]\namount = "amount"\ntime = "time"\nmethod = "note"\n')
    assert json.loads(explained(register, "--map", str(own), "--json"))["columns"]["note"] == ["method"]
    assert explained(register, "--map", str(tmp_path / "none.toml"), code=2) == ""
