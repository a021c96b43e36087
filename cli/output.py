"""What commands write: JSON on standard output, tables and progress for people, and one line when they cannot work."""

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn, TypeVar

import msgspec
import typer
from rich.console import Console, ConsoleDimensions
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from backoffice.operators import ActionRefused, InvalidArgument
from cli.failures import advice_on
from deploy.local.connect import settings_of_running_stack
from runtime.logging.setup import configure
from runtime.settings import Settings
from storage.operator_actions import Outcome

T = TypeVar("T")

#: Exit code: the command looked and found something wrong, or its action was refused.
REFUSED: Final = 1
#: Exit code: the command could not look.
UNAVAILABLE: Final = 2
#: Exit code: the command is stored, and has no reply yet.
UNANSWERED: Final = 3

#: Columns of what is no terminal: wide enough for any line, so that nothing is cut or folded.
UNBOUNDED: Final = 100_000


class Output(Console):
    """A terminal is as wide as it is; a file or a pipe takes every line whole."""

    @property
    def size(self) -> ConsoleDimensions:
        """Columns and lines."""
        return super().size if self.is_terminal else ConsoleDimensions(UNBOUNDED, 25)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size


out: Final = Output()
err: Final = Output(stderr=True)

#: Client library → the service it talks to.
_SERVICES: Final = {
    "sqlalchemy": "PostgreSQL",
    "asyncpg": "PostgreSQL",
    "aiokafka": "Kafka",
    "clickhouse_connect": "ClickHouse",
    "aio_pika": "RabbitMQ",
    "aiormq": "RabbitMQ",
    "aiohttp": "The provider sandbox",
}


def write_json(value: Any) -> None:
    """One line of JSON on standard output."""
    sys.stdout.write(as_json(value).decode() + "\n")


def as_json(value: Any) -> bytes:
    """The value as JSON."""
    return msgspec.json.encode(value, enc_hook=_plain)


def _plain(value: Any) -> Any:
    """Sentences are texts."""
    if isinstance(value, str):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} has no form in JSON")


def refuse(reason: str) -> NoReturn:
    """End the command with exit code 1 and the reason."""
    err.print(reason, markup=False, soft_wrap=True)
    raise typer.Exit(REFUSED)


def unanswered(timeline: str, *, as_json: bool = False) -> NoReturn:
    """End a command that is stored and has no reply yet with exit code 3. ``timeline``: what shows the result later."""
    if as_json:
        write_json({"outcome": Outcome.UNANSWERED, "timeline": timeline})
    else:
        out.print(f"stored, but no reply yet: see `{timeline}`", style="yellow")
    raise typer.Exit(UNANSWERED)


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error; the callback takes what is done and the total."""
    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task(label, total=None)

        def update(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield update


@contextmanager
def exit_on_unavailable() -> Iterator[None]:
    """End the command with the reason: exit code 2 if no stack is running, a service is unavailable or an argument is
    not valid, 1 if the action is refused."""
    try:
        yield
    except InvalidArgument as error:
        raise typer.BadParameter(str(error)) from error
    except ActionRefused as error:
        refuse(str(error))
    except Exception as error:
        if (reason := advice_on(error) or unavailability(error)) is None:
            raise
        err.print(reason, style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(UNAVAILABLE) from error


def unavailability(error: Exception) -> str | None:
    """One line about the service that does not answer; ``None`` for any other error."""
    service = _service(error)
    if service is None:
        return None
    reason = str(error).splitlines()[0] if str(error) else ""
    return f"{service} is unavailable: {type(error).__name__}: {reason}"


def on_running_stack(work: Callable[[Settings], Coroutine[Any, Any, T]]) -> T:
    """Run ``work`` with the settings of the running stack; exits like :func:`exit_on_unavailable`. Its warnings are
    JSON lines on standard error."""
    configure(logging.WARNING)
    with exit_on_unavailable():
        return asyncio.run(work(settings_of_running_stack()))


def _service(error: Exception) -> str | None:
    """The service whose client library raised the error; ``None`` for any other error.

    By package name, so that no command imports the clients of services that it does not use.
    """
    packages = [cls.__module__.partition(".")[0] for cls in type(error).__mro__]
    if not isinstance(error, OSError) and not any(package in _SERVICES for package in packages):
        return None
    # A client may build on another one: the first in the traceback is the one that the command called.
    traceback = error.__traceback__
    while traceback is not None:
        package = str(traceback.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in _SERVICES:
            return _SERVICES[package]
        traceback = traceback.tb_next
    return None
