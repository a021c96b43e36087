"""What the sandbox remembers, and what it does again after it was stopped."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from billing.vocabulary import Action, Outcome
from providers.sandbox.ledger import ProviderLedger
from providers.sandbox.yandex_pay import Orders
from providers.settings import environment as variables
from tests.support.sandbox import PATIENCE_S, ProviderWorld, a_request, about


async def test_the_keys_and_the_settings_survive_a_restart(tmp_path):
    world = ProviderWorld(tmp_path)
    async with world.sandbox():
        await world.tell("merchant", two_stage=True)
        await world.tell("customers", mode="auto", pay=1.0, seed=5)
        keys = await world.ask("GET", "/yandex-pay/api/jwks")
    async with world.sandbox():
        assert await world.ask("GET", "/yandex-pay/api/jwks") == keys
        assert await world.ask("GET", "/_sandbox/merchant") == {"two_stage": True}
        assert (await world.ask("GET", "/_sandbox/customers"))["mode"] == "auto"


async def test_an_acknowledged_callback_is_crossed_out(world: ProviderWorld):
    await world.paid()
    book = ProviderLedger(world.settings.state_dir / "sandbox" / "book.sqlite")
    await world.until(lambda: book.undelivered() == [])
    book.close()


async def test_a_refund_under_way_is_finished_after_a_restart(tmp_path, monkeypatch):
    world = ProviderWorld(tmp_path)
    await world.adapter.start()
    async with world.shop():
        async with world.sandbox():
            request = await world.paid()
            monkeypatch.setattr(Orders, "_later", lambda *_: None)
            assert (await world.adapter.perform(about(request, Action.REFUND))).outcome is Outcome.PENDING
        monkeypatch.undo()
        async with world.sandbox():
            await world.until(lambda: "REFUNDED" in world.statuses())
            assert (await world.book(request.order_ref))["refunded"] == request.amount
    await world.adapter.close()


async def test_a_killed_process_keeps_every_order_it_answered_for_and_every_callback(tmp_path):
    world = ProviderWorld(tmp_path)
    world.accepts = False
    await world.adapter.start()
    requests = [a_request() for _ in range(20)]
    async with world.shop():
        process = await start(world, tmp_path)
        try:
            await world.tell("customers", mode="auto")
            outcomes = {(await world.adapter.perform(request)).outcome for request in requests}
            await captured(world, len(requests))
            process.kill()
            await process.wait()

            world.accepts = True
            process = await start(world, tmp_path)
            await world.until(lambda: len({said.references for said in world.callbacks}) == len(requests))

            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE_S):
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
    await world.adapter.close()
    assert outcomes == {Outcome.PENDING}
    assert {said.references[0] for said in world.callbacks} == {request.order_ref for request in requests}
    assert set(world.statuses()) == {"CAPTURED"}


async def start(world: ProviderWorld, state_dir: Path) -> asyncio.subprocess.Process:
    """The sandbox in a process of its own, ready."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_")}
    environment = kept | {
        "BILLING_STATE_DIR": str(state_dir),
        "BILLING_SANDBOX_PORT": str(world.sandbox_port),
        "BILLING_SANDBOX_CALLBACK_URL": f"http://127.0.0.1:{world.shop_port}",
        "BILLING_SANDBOX_RETRY_MAX_S": "0.1",
    }
    environment |= variables(world.provider_settings[world.provider])
    code = "from runtime.settings import Settings; from providers.sandbox.server import run; run(Settings())"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, env=environment)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            assert process.returncode is None
            try:
                await world.ask("GET", "/_sandbox/health")
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)
            else:
                return process


async def captured(world: ProviderWorld, count: int) -> None:
    """So many orders are captured."""
    async with asyncio.timeout(PATIENCE_S):
        while (await world.ask("GET", "/_sandbox/book/summary")).get("CAPTURED", {}).get("orders") != count:
            await asyncio.sleep(0.01)


async def test_the_book_is_read_newest_first_and_by_id(world: ProviderWorld):
    refs = [(await world.open()).order_ref for _ in range(3)]
    newest = (await world.ask("GET", "/_sandbox/book?limit=2"))["orders"]
    named = (await world.ask("GET", f"/_sandbox/book?order_id={refs[0]}&order_id={refs[2]}&order_id=unknown"))["orders"]
    late = (await world.ask("GET", f"/_sandbox/book?since={newest[1]['created']!r}"))["orders"]
    assert [order["order_id"] for order in newest] == [refs[2], refs[1]]
    assert [order["order_id"] for order in named] == [refs[0], refs[2]]
    assert {order["order_id"] for order in late} == {refs[1], refs[2]}


async def test_the_summary_follows_every_change(world: ProviderWorld):
    paid = await world.paid()
    refunded = await world.paid()
    await world.adapter.perform(about(refunded, Action.REFUND))
    await world.until(lambda: "REFUNDED" in world.statuses(refunded))
    await world.open()
    amount = paid.amount
    assert await world.ask("GET", "/_sandbox/book/summary") == {
        "CAPTURED": {"orders": 1, "authorized": amount, "captured": amount, "refunded": 0},
        "PENDING": {"orders": 1, "authorized": 0, "captured": 0, "refunded": 0},
        "REFUNDED": {"orders": 1, "authorized": amount, "captured": amount, "refunded": amount},
    }


@pytest.mark.parametrize("query", ["since=yesterday", "limit=many"])
async def test_a_question_to_the_book_that_cannot_be_understood_is_refused(world: ProviderWorld, query):
    async with aiohttp.ClientSession() as http, http.get(f"{world.url}/_sandbox/book?{query}") as answer:
        assert answer.status == 400
