"""What keeps a command from its work, said in one line."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import typer
from rich.console import Console

from runtime.settings import Settings

T = TypeVar("T")

#: Exit code of a command that could not look; 1 says that it looked and found something wrong.
UNAVAILABLE: Final = 2


@contextmanager
def explained() -> Iterator[None]:
    """End the command with exit code 2 and the reason where no stack runs, or a part of it is away."""
    from aiokafka.errors import KafkaError
    from clickhouse_connect.driver.exceptions import ClickHouseError
    from sqlalchemy.exc import SQLAlchemyError

    from deploy.local.connect import NothingRuns

    try:
        yield
    except NothingRuns as error:
        Console(stderr=True).print(f"[red]{error}[/]")
        raise typer.Exit(UNAVAILABLE) from error
    except (SQLAlchemyError, KafkaError, ClickHouseError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else ""
        Console(stderr=True).print(f"a part is away: {type(error).__name__}: {reason}", style="red", markup=False)
        raise typer.Exit(UNAVAILABLE) from error


def on_running_stack(work: Callable[[Settings], Coroutine[Any, Any, T]]) -> T:
    """Run ``work`` with the settings of the stack that runs; what keeps it from that is explained."""
    from deploy.local.connect import settings_of_running_stack

    with explained():
        return asyncio.run(work(settings_of_running_stack()))
