"""The look-ups of every batch keep their plan: Postgres does not plan each of them anew."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.payments.references import find_payments
from storage.payments.rows import load_payments
from storage.subscriptions.rows import load_subscriptions

#: Postgres compares its first five plans of a statement with one that fits any values, and then decides.
TIMES = 8
_PLANS = text("SELECT sum(generic_plans), sum(custom_plans) FROM pg_prepared_statements WHERE statement ~ :statement")


@pytest.mark.parametrize(
    ("ask", "statement"),
    [
        (lambda c: load_payments(c, [uuid4()]), "FROM payments p JOIN orders"),
        (lambda c: load_subscriptions(c, [uuid4()]), "FROM subscriptions WHERE id"),
        (lambda c: find_payments(c, "yandex_pay", [str(uuid4())]), "FROM operations WHERE id"),
        (lambda c: find_payments(c, "yandex_pay", ["a-reference"]), "FROM provider_aliases"),
    ],
    ids=["payments", "subscriptions", "operations", "aliases"],
)
async def test_a_look_up_of_one_id_is_not_planned_each_time(
    database: Any, ask: Callable[[AsyncConnection], Awaitable[Any]], statement: str
) -> None:
    async with database.connect() as connection:
        for _ in range(TIMES):
            await ask(connection)
        kept, planned_anew = (await connection.execute(_PLANS, {"statement": statement})).one()
    assert kept == TIMES - 5, (kept, planned_anew)
