"""A rolling upgrade under load, forward and back: the last release's wheel and this one side by side."""

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.local.layout import Layout, read_status
from deploy.local.part import answers, beats
from deploy.local.ports import free_port
from tests.support.releases import THIS, Process, Release, install, last_commit
from tests.support.shop import Shop, a_shop

log = logging.getLogger(__name__)

#: Payments a second from the first replaced process to the last.
RATE = 30
#: Servers and the sandbox stay as they are; only our own processes are replaced.
SERVERS = "postgres,kafka,rabbitmq,clickhouse,sandbox"


@pytest.fixture(scope="module")
def last(tmp_path_factory: pytest.TempPathFactory) -> Release:
    if "BILLING_UPGRADE_TEST" not in os.environ:
        pytest.skip("run it by `make upgrade-test`: it wants the machine for itself")
    commit = last_commit()
    if commit is None:
        pytest.skip("this checkout does not hold the last release's commit (a shallow clone)")
    return install(commit, tmp_path_factory.mktemp("last-release"))


@contextmanager
def servers(last: Release, state: Path) -> Iterator[dict[str, Any]]:
    """The servers, with the schema of the last release; the stack's status."""
    layout = Layout(state)
    layout.prepare()
    settings = {
        "BILLING_STATE_DIR": str(state),
        "BILLING_LOCAL_PARTS": SERVERS,
        "BILLING_INGEST_URL": f"http://127.0.0.1:{free_port()}",
    }
    try:
        status: dict[str, Any] = json.loads(last.billing(settings, "up", "--json"))
        yield status
    finally:
        last.billing(settings, "down")


def environment_of(state: Path) -> dict[str, str]:
    """The settings of every process, as the stack gives them."""
    status = read_status(Layout(state))
    assert status is not None
    environment: dict[str, str] = status["environment"]
    return environment


def fleet(state: Path, status: dict[str, Any]) -> list[Process]:
    """Our own processes: two workers, both sinks, two ingest processes. Callbacks go to the first of these."""
    layout = Layout(state)
    environment = environment_of(state)
    port = int(status["urls"]["ingest"].rpartition(":")[2])

    def beating(name: str, kind: str) -> Process:
        beat = layout.beats / name
        settings = {**environment, "BILLING_HEARTBEAT_FILE": str(beat), "BILLING_METRICS_PORT": "0"}
        return Process(kind, beats(beat), settings, layout.log(name), beat)

    def serving(name: str, number: int) -> Process:
        settings = {
            **environment,
            "BILLING_INGEST_PORT": str(port + number),
            "BILLING_INGEST_INSTANCE": str(number),
            "BILLING_INGEST_PROCESSES": "2",
        }
        return Process("ingest", answers(f"http://127.0.0.1:{port + number}/readyz"), settings, layout.log(name))

    return [
        beating("worker-1", "worker"),
        beating("worker-2", "worker"),
        beating("signals", "signals"),
        beating("analytics", "analytics"),
        serving("ingest-1", 0),
        serving("ingest-2", 1),
    ]


def shop_of(status: dict[str, Any]) -> AbstractAsyncContextManager[Shop]:
    """A shop that posts at either ingest process, and whose customers pay."""
    url = status["urls"]["ingest"]
    host, _, port = url.rpartition(":")
    return a_shop(status, ingest=(url, f"{host}:{int(port) + 1}"))


@asynccontextmanager
async def selling(shop: Shop) -> AsyncIterator[None]:
    """Inside the block the shop posts payments at :data:`RATE`."""
    stop = asyncio.Event()

    async def sell() -> None:
        async with asyncio.TaskGroup() as sales:
            while not stop.is_set():
                sales.create_task(shop.sell(1))
                await asyncio.sleep(1 / RATE)

    work = asyncio.create_task(sell())
    try:
        yield
    finally:
        stop.set()
        await work


@pytest.mark.timeout(900)  # eighteen processes are replaced, one after another
async def test_processes_roll_from_the_last_release_to_this_and_back_under_load(last: Release, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with servers(last, state) as status:
        processes = fleet(state, status)
        try:
            await asyncio.gather(*(process.start(last) for process in processes))
            async with shop_of(status) as shop:
                async with selling(shop):
                    await asyncio.to_thread(THIS.billing, environment_of(state), "migrate")
                    for release in (THIS, last, THIS):
                        for process in processes:
                            await process.replace(release)
                sold = len(shop.payments)
                assert await shop.settled("CAPTURED") == {"CAPTURED": sold}
                orders = await shop.orders()
            assert len(orders) == sold
            assert all(order["captured"] == order["amount"] for order in orders)
            commands = {"BILLING_STATE_DIR": str(state)}
            letters = json.loads(THIS.billing(commands, "dead-letters", "list", "--json"))
            assert letters == {"total": 0, "dead_letters": []}
            verified = json.loads(THIS.billing(commands, "verify", "--settled", "--json", "--wait", "60"))
            assert verified["violations"] == []
            log.info("sold %d payments while %d processes were replaced", sold, 3 * len(processes))
        finally:
            for process in processes:
                process.kill()
