"""Neither the order of lines, nor that of runs, nor their number changes what is found."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from providers.statements import LineKind, StatementLine
from storage.processes.locks import Lock, writing
from tests.integration.reconciliation.clearing.test_reference import HOW, lines_of
from tests.support.clearing import DAY, SETTLEMENT, Cleared, charge, line
from tests.support.factories import NOW, PROVIDER

DAYS = [DAY + timedelta(days=n) for n in range(3)]
#: Of each day, one with a refund.
PAYMENTS = 2
LINES_AT_MOST = 2 * len(DAYS) * (PAYMENTS + 1) + 2
EXAMPLES = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
MOVEMENTS = len(DAYS) * (PAYMENTS + 1)
hows = st.lists(st.sampled_from(HOW), min_size=MOVEMENTS, max_size=MOVEMENTS)
#: By how many days each line comes after its movement.
delays = st.lists(st.integers(0, 2), min_size=LINES_AT_MOST, max_size=LINES_AT_MOST)


class Days(Cleared):
    """Three days of movements, each line's time that of its movement."""

    movements: list[StatementLine]

    async def begin(self) -> None:
        self.now = SETTLEMENT.business_day(DAYS[-1])[1] + timedelta(hours=13)
        self.movements = []
        for number in range(len(DAYS)):
            at = NOW + timedelta(days=number)
            payments = await self.paid(PAYMENTS, at=at)
            refund = await self.refund(payments[0], 100)
            self.movements += [charge(payment, at=at) for payment in payments]
            self.movements.append(line(LineKind.REFUND, -100, own_id=refund, at=at))

    def lines(self, hows: Sequence[str]) -> list[StatementLine]:
        """The lines of the movements; a stranger's and one of an unknown type."""
        lines = [one for moved, how in zip(self.movements, hows, strict=True) for one in lines_of(moved, how)]
        lines = [msgspec.structs.replace(one, line_ref=f"line-{n}") for n, one in enumerate(lines)]
        return [
            *lines,
            line(LineKind.CHARGE, 5, own_id=UUID(int=5), line_ref="stranger"),
            line(LineKind.OTHER, 5, raw_type="Mystery", line_ref="mystery"),
        ]

    def come(self, lines: Sequence[StatementLine], delays: Sequence[int]) -> None:
        """The lines come in statements, so late after their movements."""
        for day in DAYS:
            self.has(day=day)
        for one, delay in zip(lines, delays, strict=False):
            day = min(SETTLEMENT.day_of(one.at) + timedelta(days=delay), DAYS[-1])
            self.statement.lines[day].append(one)

    async def found(self, runs: Sequence[int]) -> dict[str, str]:
        """Subject → kind of what is open after runs of these days; nothing of it stays."""
        async with writing(self.engine, Lock.CLEARING, PROVIDER) as connection:
            assert connection is not None
            transaction = await connection.begin()
            for number in runs:
                await self.on(connection, DAYS[number]).run()
            rows = await connection.execute(text("SELECT subject, kind FROM discrepancies WHERE state <> 'CLOSED'"))
            kinds = {row.subject: row.kind for row in rows}
            await transaction.rollback()
        return kinds


@pytest.fixture
async def world(database: Any) -> Days:
    world = Days(database)
    await world.begin()
    return world


@EXAMPLES
@given(hows=hows, data=st.data())
async def test_the_order_of_lines_does_not_matter(world: Days, hows: list[str], data: st.DataObject) -> None:
    lines = world.lines(hows)
    world.come(lines, [0] * len(lines))
    in_order = await world.found([0, 1, 2])
    world.come(data.draw(st.permutations(lines)), [0] * len(lines))
    assert await world.found([0, 1, 2]) == in_order


@EXAMPLES
@given(hows=hows, delays=delays, runs=st.permutations([0, 1, 2]), more=st.lists(st.integers(0, 2), max_size=3))
async def test_the_order_of_runs_and_their_number_do_not_matter(
    world: Days, hows: list[str], delays: list[int], runs: list[int], more: list[int]
) -> None:
    world.come(world.lines(hows), delays)
    assert await world.found([*runs, *more, 2]) == await world.found([0, 1, 2])
