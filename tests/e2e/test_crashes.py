"""Workers die with SIGKILL at every named point while refunds run, and partitions move between those that live."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any, Self

import psutil
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

from deploy.local.layout import Layout, read_status
from streams.app import GROUP
from tests.conftest import Stack
from tests.e2e.crashing_worker import POINTS
from tests.support.shop import Shop, a_shop, audited

PAYMENTS = 120
PATIENCE_S = 150


class WorkersThatDie:
    """One worker more for each named point, in the same group as the stack's own."""

    def __init__(self, running: Stack) -> None:
        status = read_status(Layout(running.state_dir))
        assert status is not None
        self._environment = {**running.environment, **status["environment"]}
        self._workers: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, points: Iterable[str]) -> None:
        for point in points:
            self._workers[point] = subprocess.Popen(
                [sys.executable, "-m", "tests.e2e.crashing_worker", point],
                env=self._environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    @property
    def alive(self) -> int:
        """How many of them run. One may lose a partition to another while they start, and give up before its point."""
        return sum(worker.poll() is None for worker in self._workers.values())

    async def ended(self) -> dict[str, int | None]:
        """How each ended, once all have."""
        async with asyncio.timeout(PATIENCE_S):
            while any(worker.poll() is None for worker in self._workers.values()):
                await asyncio.sleep(0.2)
        return {point: worker.returncode for point, worker in self._workers.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers.values():
            worker.kill()
            worker.wait()


async def each_has_partitions(stack: dict[str, Any], workers: Callable[[], int]) -> None:
    """Wait until the group has as many members as there are ``workers`` now, and each has its share."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stack["urls"]["kafka"])
    await admin.start()
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                (described,) = await admin.describe_consumer_groups([GROUP])
                assignments = [
                    ConsumerProtocolMemberAssignment.decode(member[-1])
                    for _, _, state, _, _, members in described.groups
                    if state == "Stable"
                    for member in members
                ]
                if len(assignments) == workers() and all(a.assignment for a in assignments):
                    return
                await asyncio.sleep(0.5)
    finally:
        await admin.close()


async def test_workers_killed_at_every_named_point_refund_each_payment_once(running: Stack, stack):
    async with a_shop(stack) as shop:
        with WorkersThatDie(running) as workers:
            await shop.sell(PAYMENTS)
            assert await shop.settled("CAPTURED") == {"CAPTURED": PAYMENTS}
            waves, met = [shop.payments[:90], shop.payments[90:105], shop.payments[105:]], set[str]()
            for wave in waves:
                # One that lost its partitions when another died gives up before its point, and is started again.
                missing = POINTS.keys() - met
                workers.start(missing)
                await each_has_partitions(stack, lambda: 1 + workers.alive)
                await shop.refund(wave)
                met |= {point for point, code in (await workers.ended()).items() if code == -signal.SIGKILL}
            assert met == set(POINTS)
            await everything_is_refunded_once(shop)
    assert audited(running) == []


async def test_partitions_move_between_workers_under_load(running: Stack, stack):
    async with a_shop(stack) as shop:
        selling = asyncio.create_task(shop.sell(PAYMENTS, pause_s=0.2))
        up = await asyncio.to_thread(running.billing, "up", "--workers", "2", "--json")
        assert up.returncode == 0, up.stderr
        await each_has_partitions(stack, lambda: 2)
        psutil.Process(running.pid("worker-1")).kill()
        await asyncio.to_thread(running.up)
        await each_has_partitions(stack, lambda: 2)
        await selling
        assert await shop.settled("CAPTURED") == {"CAPTURED": PAYMENTS}
        down = await asyncio.to_thread(running.billing, "up", "--workers", "1", "--json")
        assert down.returncode == 0, down.stderr
        await shop.refund(shop.payments)
        await everything_is_refunded_once(shop)
    assert audited(running) == []


async def everything_is_refunded_once(shop: Shop) -> None:
    """In our books, and in the provider's own."""
    assert await shop.settled("REFUNDED") == {"REFUNDED": len(shop.payments)}
    orders = await shop.orders()
    assert len(orders) == len(shop.payments)
    for order in orders:
        assert order["captured"] == order["refunded"] == order["amount"]
        assert sorted(operation["type"] for operation in order["operations"]) == ["AUTHORIZE", "CAPTURE", "REFUND"]
