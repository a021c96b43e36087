"""What the other operations cost beside a payment in one stage: in two stages, a refund, a renewal."""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

import aiohttp
from billing_client import BillingClient

from billing.vocabulary import PaymentStatus
from cli.bench.load import Shop
from cli.bench.running_stack import RunningStack
from cli.demo.subscribers import Subscribers
from cli.demo.year import advance, begins, moment
from providers.registry import in_either_capture_mode
from runtime.clock import utc_now
from storage.inspection.bench import statuses_of

#: Of each operation.
TIMES: Final = 300
CONCURRENCY: Final = 24
#: For how long the stack is looked at without work, seconds.
IDLE_S: Final = 5.0
PATIENCE_S: Final = 120.0
POLL_S: Final = 0.2


async def operation_costs(
    stack: RunningStack, shop: Shop, status: dict[str, Any], on_progress: Callable[[str], None]
) -> dict[str, float]:
    """CPU milliseconds of all processes for one of each, above what they take without work. Raises
    :class:`TimeoutError` if some do not end."""
    provider = in_either_capture_mode()[0]
    meter = _Meter(stack)
    on_progress(f"the stack without work for {IDLE_S:.0f} s")
    await meter.look_idle()
    costs: dict[str, float] = {}
    on_progress(f"{TIMES} payments in one stage")
    with_one = await meter.of(_sold(stack, shop, provider, two_stage=False))
    costs["one_stage"] = meter.cost
    on_progress(f"{TIMES} payments in two stages")
    await meter.of(_sold(stack, shop, provider, two_stage=True))
    costs["two_stage"] = meter.cost
    on_progress(f"{TIMES} refunds")
    await meter.of(_refunded(stack, shop, with_one))
    costs["refund"] = meter.cost
    on_progress(f"{TIMES} renewals: the customers subscribe")
    await stack.set_customer_mode(mode="manual")  # subscribers pay by themselves
    async with aiohttp.ClientSession() as http:
        billing = BillingClient(status["urls"]["ingest"], status["api_key"], session=http)
        start, run = begins(utc_now()), secrets.token_hex(4)
        clock = await billing.test_clocks.create(f"bench {run}", at=start)
        people = Subscribers(billing, http, run, clock.id, TIMES)
        await people.offer()
        await people.subscribe(range(TIMES))
        # Those who have just paid become active before the month is over.
        await advance(billing, clock.id, moment(start, 0, 1), lambda *_: None)
        on_progress(f"{TIMES} renewals")
        await meter.of(advance(billing, clock.id, moment(start, 1, 1), lambda *_: None))
    costs["renewal"] = meter.cost
    await stack.set_customer_mode(mode="auto")
    return costs


class _Meter:
    """``cost``: of one operation of the last work, milliseconds."""

    def __init__(self, stack: RunningStack) -> None:
        self._stack = stack
        self._idle = 0.0
        self.cost = 0.0

    async def look_idle(self) -> None:
        """What the processes take while there is nothing to do."""
        before = self._used()
        await asyncio.sleep(IDLE_S)
        self._idle = (self._used() - before) / IDLE_S

    async def of(self, work: Any) -> Any:
        """Do the work."""
        before, started = self._used(), time.perf_counter()
        done = await work
        idle = self._idle * (time.perf_counter() - started)
        self.cost = round((self._used() - before - idle) * 1000 / TIMES, 2)
        return done

    def _used(self) -> float:
        return sum(self._stack.cpu().values())


async def _sold(stack: RunningStack, shop: Shop, provider: str, *, two_stage: bool) -> Sequence[UUID]:
    load = await shop.sell(TIMES, CONCURRENCY, provider, two_stage=two_stage)
    payments = [UUID(id) for id in load.answers]
    if two_stage:
        await _until(stack, payments, PaymentStatus.AUTHORIZED)
        await shop.capture(payments, CONCURRENCY)
    await _until(stack, payments, PaymentStatus.CAPTURED)
    return payments


async def _refunded(stack: RunningStack, shop: Shop, payments: Sequence[UUID]) -> None:
    await shop.refund(payments, CONCURRENCY)
    await _until(stack, payments, PaymentStatus.REFUNDED)


async def _until(stack: RunningStack, payments: Sequence[UUID], status: PaymentStatus) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with stack.engine.connect() as connection:
                found = await statuses_of(connection, payments)
            if found == {status: len(payments)}:
                return
            await asyncio.sleep(POLL_S)
