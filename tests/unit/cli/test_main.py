"""The list of commands is quick, and agrees with the commands."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from cli.main import COMMANDS, app, load

CLIENTS = {"sqlalchemy", "aiokafka", "clickhouse_connect", "aio_pika", "faust", "fastapi", "msgspec", "pydantic"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_listed_with_the_first_sentence_of_its_own_help(name):
    help = " ".join(str(load(name).help).split())
    assert help.startswith(COMMANDS[name].help)


def test_help_imports_no_command():
    code = (
        "import sys; from typer.testing import CliRunner; from cli.main import app;"
        "done = CliRunner().invoke(app, ['--help']); assert done.exit_code == 0, done.output;"
        "print('\\n'.join({name.partition('.')[0] for name in sys.modules}))"
    )
    imported = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert CLIENTS.isdisjoint(imported)


def test_help_lists_every_command_but_the_hidden_ones():
    listed = CliRunner().invoke(app, ["--help"]).output
    assert all((f" {name} " in listed) != lazy.hidden for name, lazy in COMMANDS.items())


def test_an_unknown_command_is_refused_with_the_nearest():
    done = CliRunner().invoke(app, ["provider"])
    assert (done.exit_code, "providers" in done.output) == (2, True)


def test_a_command_of_a_group_has_its_own_help():
    done = CliRunner().invoke(app, ["providers", "disable", "--help"])
    assert done.exit_code == 0
    assert "Stop calling a provider" in done.output
