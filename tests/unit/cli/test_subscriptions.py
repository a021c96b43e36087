"""``billing subscriptions`` where the agent does not reply in time."""

from uuid import UUID

import pytest
from typer.testing import CliRunner

from cli import subscriptions


@pytest.mark.parametrize("command", [["cancel"], ["extend", "--until", "2026-03-15"]])
def test_without_a_reply_the_exit_code_is_3_and_where_to_look_is_told(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "on_running_stack", lambda _work: None)
    name, *options = command
    arguments = [name, str(UUID(int=1)), *options, "--actor", "olga", "--reason", "asked"]
    done = CliRunner().invoke(subscriptions.app, arguments)
    assert done.exit_code == subscriptions.UNANSWERED == 3
    assert f"billing subscriptions timeline {UUID(int=1)}" in done.output
