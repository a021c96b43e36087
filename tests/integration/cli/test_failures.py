"""What a person reads when a command or a process cannot work: one line that says what to do."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.process import EXIT_CONFIG

EX_UNAVAILABLE = 2
#: Each command is a process of its own, which a busy machine starts slowly.
PATIENCE_S = 300


def billing(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_")}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        check=False, capture_output=True, text=True, cwd=cwd, timeout=PATIENCE_S,
        env=clean | environment | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip


@pytest.fixture
def taken() -> Iterator[int]:
    """A port where another process listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def a_file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.touch()
    return path


@pytest.mark.parametrize("command", [["status"], ["up"]])
def test_a_setting_that_is_not_valid_is_named(command: list[str], tmp_path: Path) -> None:
    done = billing(*command, cwd=tmp_path, BILLING_INGEST_PORT="http")

    assert done.returncode == EX_UNAVAILABLE
    assert done.stderr.splitlines() == [
        "BILLING_INGEST_PORT: Input should be a valid integer, unable to parse string as an integer"
    ]


def test_a_setting_that_is_not_json_is_named(tmp_path: Path) -> None:
    done = billing("status", cwd=tmp_path, BILLING_API_KEYS="{")

    assert done.returncode == EX_UNAVAILABLE
    (line,) = done.stderr.splitlines()
    assert "api_keys" in line


def test_a_state_folder_that_cannot_be_made_is_named(a_file: Path, tmp_path: Path) -> None:
    done = billing("up", cwd=tmp_path, BILLING_STATE_DIR=str(a_file / "state"))

    assert done.returncode == EX_UNAVAILABLE
    assert done.stderr.splitlines() == [
        f"{a_file}/state: Not a directory: a part of the path is a file; BILLING_STATE_DIR is the state folder"
    ]


@pytest.mark.parametrize("command", [["providers", "list"], ["report", "funnel"]])
def test_a_command_without_a_stack_says_how_to_start_one(command: list[str], tmp_path: Path) -> None:
    done = billing(*command, cwd=tmp_path)

    assert done.returncode == EX_UNAVAILABLE
    assert done.stderr.splitlines() == [
        "no stack in .billing: `billing up` starts one, or set BILLING_POSTGRES_URL and the others"
    ]


@pytest.mark.parametrize(
    "command", ["migrate", "run ingest", "run worker", "run signals", "run analytics", "run admin"]
)
def test_a_process_without_a_stack_says_so_in_a_log_line(command: str, tmp_path: Path) -> None:
    done = billing(*command.split(), cwd=tmp_path)

    assert done.returncode == EXIT_CONFIG
    (line,) = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
    assert (line["event"], line["level"]) == ("cannot run", "critical")
    assert line["reason"].startswith("no stack in .billing: `billing up` starts one")


@pytest.mark.parametrize("name", ["sandbox", "clickhouse"])
def test_a_port_that_is_taken_is_one_log_line(name: str, taken: int, tmp_path: Path) -> None:
    variable = {"sandbox": "BILLING_SANDBOX_PORT", "clickhouse": "BILLING_LOCAL_CLICKHOUSE_PORT"}[name]
    done = billing("run", name, cwd=tmp_path, **{variable: str(taken)})

    assert done.returncode == EXIT_CONFIG
    (line,) = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
    assert str(taken) in line["reason"]
    assert line["reason"].endswith("another process listens there: end it, or choose another port")


def test_providers_of_two_worlds_are_one_log_line(tmp_path: Path) -> None:
    done = billing(
        "run", "sandbox", cwd=tmp_path, BILLING_STRIPE_SECRET_KEY="sk_live_1", BILLING_STRIPE_WEBHOOK_SECRETS='["sandbox"]'
    )  # fmt: skip

    assert done.returncode == EXIT_CONFIG
    (line,) = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
    assert line["reason"].startswith("BILLING_STRIPE_WEBHOOK_SECRETS is the sandbox's")


def test_migrations_of_a_server_that_is_away_are_one_log_line(tmp_path: Path) -> None:
    url = "postgresql://billing:x@127.0.0.1:1/billing"
    done = billing(
        "migrate", cwd=tmp_path, BILLING_POSTGRES_URL=url, BILLING_KAFKA_URL="127.0.0.1:1",
        BILLING_RABBITMQ_URL="amqp://127.0.0.1:1/", BILLING_CLICKHOUSE_URL="http://127.0.0.1:1/billing",
    )  # fmt: skip

    assert done.returncode == 1
    lines = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
    assert next(line["reason"] for line in lines if line["event"] == "cannot run").count("is unavailable: ") == 1


def test_a_report_into_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    done = billing("report", "funnel", "--output", "no/such/folder.csv", cwd=tmp_path)

    assert done.returncode == EX_UNAVAILABLE
    assert "no/such: no such folder" in done.stderr
