"""What the page still knows while Postgres does not answer."""

from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

from monitoring.books import Books, ConsumerLag
from monitoring.recent import Recent
from runtime.kafka.lag import Lag
from storage.monitoring import Unfinished
from tests.unit.monitoring.test_view import FINE, NOW, ago

LATER = datetime(2026, 3, 1, 13, tzinfo=UTC)


class Engine:
    """Postgres, or none."""

    answers = True

    def connect(self) -> "Engine":
        return self

    async def __aenter__(self) -> Self:
        if not self.answers:
            raise OSError("no route")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Given back."""


class Reader:
    def __init__(self, books: Books) -> None:
        self.books = books

    async def read(self, _connection: Any) -> Books:
        return self.books


def recent() -> tuple[Engine, Recent]:
    old = Unfinished("stripe", "PENDING", 1, ago(minutes=2), UUID(int=1))
    lags = [ConsumerLag("payments", "inbox", part, 5, Lag(3, 1, 0), 2.5) for part in range(2)]
    engine, reader = Engine(), Reader(Books(at=NOW, **FINE | {"unfinished": [old], "lags": lags}))
    untyped: Any = (engine, reader)
    return engine, Recent(*untyped, now=lambda: LATER)


async def test_a_look_is_kept_as_numbers() -> None:
    _, one = recent()
    await one.look()
    assert one.samples[-1] == {"oldest": 120, "unknown": 0, "letters": 0, "rate:payments": 5, "lag:payments": 6}


async def test_without_postgres_the_last_books_stay_and_the_line_has_a_gap() -> None:
    engine, one = recent()
    await one.look()
    engine.answers = False
    await one.look()
    assert one.books is not None
    assert one.failing_since == LATER
    assert one.line("oldest") == [120, None]

    engine.answers = True
    await one.look()
    assert one.failing_since is None
    assert one.line("oldest") == [120, None, 120]


async def test_before_postgres_ever_answered_nothing_is_invented() -> None:
    engine, one = recent()
    engine.answers = False
    await one.look()
    assert one.books is None
    assert one.line("oldest") == [None]
