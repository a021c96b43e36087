"""``billing providers`` on the running stack: a provider that is switched off is not called, and no payment is lost."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from click.testing import Result
from typer.testing import CliRunner

from cli.providers import app
from tests.conftest import Stack
from tests.support.shop import a_shop

PATIENCE_S = 30
#: What a switch held back goes out within this of the provider's return.
WITHIN = timedelta(minutes=1)


def listed(stack: Stack) -> dict[str, Any]:
    done = stack.billing("providers", "list", "--json")
    assert done.returncode == 0, done.stderr
    (found,) = [row for row in json.loads(done.stdout)["providers"] if row["provider"] == "yandex-pay"]
    return dict(found)


def switched(stack: Stack, word: str) -> None:
    done = stack.billing("providers", word, "yandex-pay", "--reason", "a drill", "--actor", "olga")
    assert done.returncode == 0, done.stderr


async def tried(stack: dict[str, Any], payments: list[str]) -> datetime:
    """When the last of the payments was tried again."""
    connection = await asyncpg.connect(stack["urls"]["postgres"])
    chases = "SELECT max(recorded_at) FROM journal WHERE type LIKE '%.chase.v1' AND payment_id = ANY($1::uuid[])"
    try:
        return await connection.fetchval(chases, payments)
    finally:
        await connection.close()


async def test_payments_wait_for_a_disabled_provider_and_continue_once_it_is_enabled(running, stack):
    async with a_shop(stack) as shop:
        waiting = listed(running)["waiting"]
        switched(running, "disable")
        try:
            await shop.sell(3)
            async with asyncio.timeout(PATIENCE_S):
                while (found := listed(running))["waiting"] < waiting + 3:
                    await asyncio.sleep(0.2)
            assert (found["enabled"], found["switch"]["reason"], found["switch"]["actor"]) == (False, "a drill", "olga")
            assert await shop.statuses() == {"PENDING": 3}
            assert await shop.orders() == [], "the provider was not called"
        finally:
            enabled_at = datetime.now(UTC)
            switched(running, "enable")
        assert await shop.settled("CAPTURED") == {"CAPTURED": 3}
        assert await tried(stack, shop.payments) < enabled_at + WITHIN, "what waited is sent once it is enabled"
        assert listed(running)["enabled"]


def test_a_switch_needs_a_known_provider_and_a_reason(running):
    def said(*arguments: str) -> Result:
        return CliRunner().invoke(app, arguments, env={"BILLING_STATE_DIR": str(running.state_dir)})

    for arguments in (("nobody", "--reason", "x"), ("yandex-pay", "--reason", " ")):
        assert said("disable", *arguments, "--actor", "olga").exit_code == 2
    assert "yandex-pay" in said("list").stdout
    assert listed(running)["enabled"]
