"""``billing payment`` on the running stack: corrections are applied, or refused with a reason, and stay on record."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.conftest import Stack
from tests.support.shop import Shop, a_shop

PATIENCE_S = 30


@pytest.fixture
async def unpaid(stack) -> AsyncIterator[Shop]:
    """A shop with one unpaid payment."""
    async with a_shop(stack) as shop:
        await shop.customers("manual")
        await shop.sell(1)
        async with asyncio.timeout(PATIENCE_S):
            while not await asked_of(stack, "SELECT payment_url FROM payments WHERE id = $1::uuid", shop.payments[0]):
                await asyncio.sleep(0.1)
        yield shop


async def asked_of(stack, question: str, payment: str) -> Any:
    connection = await asyncpg.connect(stack["urls"]["postgres"])
    try:
        return await connection.fetchval(question, payment)
    finally:
        await connection.close()


async def operation_of(stack, payment: str) -> str:
    return str(await asked_of(stack, "SELECT id FROM operations WHERE payment_id = $1::uuid", payment))


def corrected(running: Stack, payment: str, operation: str, *words: str):
    return running.billing("payment", "correct", payment, operation, *words, "--actor", "olga")


async def test_a_correction_ends_an_open_operation_and_stays_on_record(running, stack, unpaid):
    (payment,) = unpaid.payments
    operation = await operation_of(stack, payment)
    asked = running.billing("payment", "ask", payment, "--reason", "the customer called", "--actor", "olga")
    assert (asked.returncode, "queries sent: 1;" in asked.stdout) == (0, True), asked.stderr

    done = corrected(running, payment, operation, "--failed", "--reason", "the console shows no payment")

    assert (done.returncode, "FAILED" in done.stdout) == (0, True), done.stdout + done.stderr
    assert await unpaid.statuses() == {"FAILED": 1}
    timeline = json.loads(running.billing("timeline", payment, "--json").stdout)
    (entry,) = [entry for entry in timeline["entries"] if "correct" in json.dumps(entry) and entry["kind"] == "command"]
    assert entry["actor"] == "operator:olga"
    assert "the console shows no payment" in json.dumps(entry)
    again = running.billing("payment", "ask", payment, "--reason", "the customer called", "--actor", "olga")
    assert (again.returncode, "queries sent: 1;" in again.stdout) == (0, True), "a failed payment is asked about too"


def test_a_payment_that_does_not_exist_is_not_asked_about(running):
    nothing = running.billing("payment", "ask", str(uuid4()), "--reason", "the customer called", "--actor", "olga")
    assert (nothing.returncode, "There is no payment" in nothing.stdout) == (1, True)


async def test_an_impossible_correction_is_refused_with_the_reason(running, unpaid):
    (payment,) = unpaid.payments
    refused = corrected(running, payment, str(uuid4()), "--succeeded", "--reason", "seen in the console")
    assert (refused.returncode, "unknown_operation" in refused.stdout) == (1, True), refused.stderr
    assert await unpaid.statuses() == {"PENDING": 1}


def test_a_correction_needs_a_reason(running):
    refused = corrected(running, str(uuid4()), str(uuid4()), "--failed", "--reason", " ")
    assert (refused.returncode, "a reason is required" in refused.stderr) == (2, True)
