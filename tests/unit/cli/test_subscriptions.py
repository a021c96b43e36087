"""``billing subscriptions`` and ``billing payment`` where the agent does not reply in time."""

import json
from uuid import UUID

import pytest
from typer.testing import CliRunner

from cli import payments, subscriptions
from cli.output import UNANSWERED

ID = str(UUID(int=1))
WHO = ("--actor", "olga", "--reason", "asked")


@pytest.fixture(autouse=True)
def no_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    for commands in (payments, subscriptions):
        monkeypatch.setattr(commands, "on_running_stack", lambda _work: None)


@pytest.mark.parametrize("command", [["cancel"], ["extend", "--until", "2026-03-15"]])
def test_without_a_reply_the_exit_code_is_3_and_where_to_look_is_told(command: list[str]) -> None:
    name, *options = command
    done = CliRunner().invoke(subscriptions.app, [name, ID, *options, *WHO])
    assert done.exit_code == UNANSWERED == 3
    assert f"billing subscriptions timeline {ID}" in done.output


@pytest.mark.parametrize("command", [["cancel"], ["extend", "--until", "2026-03-15"]])
def test_without_a_reply_json_is_an_object(command: list[str]) -> None:
    name, *options = command
    done = CliRunner().invoke(subscriptions.app, [name, ID, *options, *WHO, "--json"])
    assert done.exit_code == UNANSWERED
    assert json.loads(done.stdout) == {"outcome": "unanswered", "timeline": f"billing subscriptions timeline {ID}"}


def test_a_correction_without_a_reply_says_where_to_look() -> None:
    done = CliRunner().invoke(payments.app, ["correct", ID, ID, "--failed", *WHO])
    assert done.exit_code == UNANSWERED
    assert f"billing timeline {ID}" in done.output
