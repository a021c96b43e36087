"""Errors of a command become an exit code and one line that names the service."""

import io
from collections.abc import Awaitable, Callable
from typing import Any

import aio_pika
import pytest
import typer
from rich.table import Table

from analytics.clickhouse import connect as connect_clickhouse
from backoffice.operators import ActionRefused, InvalidArgument
from cli.output import Output, on_running_stack, write_json
from runtime.kafka.clients import new_producer
from runtime.postgres import connected
from runtime.settings import Settings


@pytest.fixture(autouse=True)
def no_service_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.output.configure", lambda _level: None)  # it is for a whole process
    monkeypatch.setenv("BILLING_POSTGRES_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("BILLING_KAFKA_URL", "127.0.0.1:1")
    monkeypatch.setenv("BILLING_CLICKHOUSE_URL", "http://127.0.0.1:1/none")
    monkeypatch.setenv("BILLING_RABBITMQ_URL", "amqp://127.0.0.1:1")


async def postgres(settings: Settings) -> None:
    async with connected(settings) as engine, engine.connect():
        pass


async def kafka(settings: Settings) -> None:
    producer = new_producer(settings)
    try:
        await producer.start()
    finally:
        await producer.stop()


async def clickhouse(settings: Settings) -> None:
    await connect_clickhouse(settings.clickhouse_url)


async def rabbitmq(settings: Settings) -> None:
    await aio_pika.connect(settings.rabbitmq_url, timeout=5)


@pytest.mark.parametrize(
    ("work", "service"),
    [(postgres, "PostgreSQL"), (kafka, "Kafka"), (clickhouse, "ClickHouse"), (rabbitmq, "RabbitMQ")],
)
def test_a_service_that_is_unavailable_is_named_in_one_line(
    work: Callable[[Settings], Awaitable[Any]], service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as exited:
        on_running_stack(work)  # type: ignore[arg-type]
    assert exited.value.exit_code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{service} is unavailable: ")


def test_without_a_running_stack_the_command_says_how_to_start_one(monkeypatch, tmp_path, capsys) -> None:
    monkeypatch.delenv("BILLING_POSTGRES_URL")
    monkeypatch.setenv("BILLING_STATE_DIR", str(tmp_path))
    with pytest.raises(typer.Exit) as exited:
        on_running_stack(postgres)
    assert (exited.value.exit_code, "billing up" in capsys.readouterr().err) == (2, True)


def test_a_refused_action_ends_with_1_and_its_reason(capsys) -> None:
    async def refused(_settings: Settings) -> None:
        raise ActionRefused("the letter was replayed before")

    with pytest.raises(typer.Exit) as exited:
        on_running_stack(refused)
    assert (exited.value.exit_code, capsys.readouterr().err) == (1, "the letter was replayed before\n")


def test_an_argument_that_is_not_valid_is_an_error_of_usage() -> None:
    async def refused(_settings: Settings) -> None:
        raise InvalidArgument("there is no provider 'nobody'")

    with pytest.raises(typer.BadParameter, match="nobody"):
        on_running_stack(refused)


@pytest.mark.parametrize("error", [ValueError("a defect"), FileNotFoundError("a file of ours")])
def test_any_other_error_is_not_called_an_unavailable_service(error: Exception) -> None:
    async def defective(_settings: Settings) -> None:
        raise error

    with pytest.raises(type(error)):
        on_running_stack(defective)


def test_json_is_one_line(capsys) -> None:
    write_json({"имя": ["two\nlines"]})
    assert capsys.readouterr().out == '{"имя":["two\\nlines"]}\n'


def test_what_is_no_terminal_gets_every_line_whole() -> None:
    page = io.StringIO()
    table = Table("id", "reason")
    table.add_row("0d7a3c52-5a0e-5c39-9d7b-1f6e7f1c2a10", "a reason of many words " * 20)
    Output(file=page).print(table)

    (row,) = [line for line in page.getvalue().splitlines() if "0d7a3c52" in line]
    assert row.count("a reason of many words") == 20
