"""Each question of the pages of customers and subscriptions is answered by an index, and reads a bounded number of rows."""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.messages.topics import SUBSCRIPTIONS
from storage import customer_notes, customers
from storage.approvals import given_back
from storage.clearing.discrepancies import open_of
from storage.journal.timeline import latest_of
from storage.saved_methods import methods_of
from storage.subscriptions.lists import latest_attempts, latest_periods, subscriptions_of
from tests.support.factories import NOW

ID = UUID(int=1)
Ask = Callable[[AsyncConnection], Awaitable[Any]]


class Explained:
    """A connection that notes how Postgres would answer each statement without reading a whole table."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.plans: list[str] = []

    async def execute(self, statement: Any, values: Any) -> Any:
        explained = await self.connection.execute(text(f"EXPLAIN (FORMAT JSON) {statement.text}"), values)
        self.plans.append(json.dumps(explained.scalar_one()))
        return await self.connection.execute(statement, values)


@pytest.mark.parametrize(
    ("ask", "index", "bound"),
    [
        (lambda c: customers.totals(c, "c-1"), "orders_customer", True),
        (lambda c: customers.paid(c, "c-1", 10), "orders_customer", True),
        (lambda c: customers.contacts(c, "c-1"), "orders_customer", True),
        (lambda c: subscriptions_of(c, "c-1", 10), "subscriptions_customer", True),
        (lambda c: methods_of(c, "c-1", 10), "saved_methods_person", True),
        (lambda c: latest_periods(c, ID, 5, 10), "subscription_periods_pkey", True),
        (lambda c: latest_attempts(c, ID, (5, 1), 10), "renewal_attempts_subscription_id_period_number_key", True),
        (lambda c: latest_of(c, ID, SUBSCRIPTIONS.name, (0, 5), 10), "_payment_id_idx", True),
        (lambda c: open_of(c, ID), "discrepancies_payment", False),
        (lambda c: given_back(c, ID, "RUB", NOW), "staff_trail_commands", False),
        (lambda c: customer_notes.latest(c, "c-1", 10), "customer_notes_of", True),
    ],
    ids=[
        "totals",
        "paid",
        "contacts",
        "subscriptions",
        "methods",
        "periods",
        "attempts",
        "journal",
        "discrepancies",
        "limit",
        "notes",
    ],
)
async def test_a_question_reads_one_index(database: Any, ask: Ask, index: str, bound: bool) -> None:
    async with database.connect() as connection:
        # A table without rows is read whole unless that is forbidden.
        for method in ("seqscan", "bitmapscan"):
            await connection.execute(text(f"SET enable_{method} = off"))
        explained = Explained(connection)
        await ask(explained)  # type: ignore[arg-type]
    plan = explained.plans[0]
    assert index in plan, plan
    assert "Seq Scan" not in plan
    assert ('"Limit"' in plan) == bound
