"""A statement of the sandbox that is read in parts is of one day, by the clocks of its provider."""

from datetime import UTC, datetime
from typing import Any

import pytest

from providers.sandbox.faults import Fault, Faults
from providers.sandbox.statements import Statements


class Days:
    """Notes the day that a fault is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def file_fault(self, _provider: str, day: str, _draw: Any) -> None:
        self.asked.append(day)

    def struck_files(self, _day: str | None) -> list[Any]:
        return []


@pytest.mark.parametrize(
    ("provider", "days"),
    [("stripe", ["2026-11-28", "2026-11-28"]), ("yookassa", ["2026-11-28", "2026-11-29"])],
)
def test_the_last_hours_of_a_day_in_utc_are_the_next_day_in_moscow_only(provider: str, days: list[str]) -> None:
    faults, movements = Faults(), Days()
    faults.add(Fault("register_half", count=1))
    statements = Statements(movements, faults)  # type: ignore[arg-type]
    for hour in (0, 22):
        statements.file_fault(provider, datetime(2026, 11, 28, hour, 30, tzinfo=UTC).timestamp())
    assert movements.asked == days
