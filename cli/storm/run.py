"""Runs the storm: payments and refunds under faults until all are final, then ledger against providers."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final, Self

import aiohttp
from sqlalchemy.ext.asyncio import AsyncEngine

from backoffice.audit.audit import audit
from backoffice.audit.provider import Record
from billing.vocabulary import CaptureMode
from cli.storm.shop import Captures, StormShop, refund_half
from providers.registry import PLUGINS, read_callback_settings, read_capabilities
from runtime.kafka.clients import new_producer
from runtime.kafka.publisher import Publisher
from runtime.postgres import connected
from runtime.settings import Settings
from storage.inspection import storm as sql
from streams.payments.follow_ups import follow_up_message

#: The injected faults, each at the given rate. A timeout lasts longer than our deadline.
FAULTS: Final = (
    "timeout_after_commit", "error_500_after_commit", "error_500_before_commit", "rate_limited", "connection_reset",
    "slow", "callback_lost", "callback_twice", "callback_reordered", "callback_with_nul", "callback_before_answer",
    "refund_later", "refund_fails_later", "captured_in_console", "released_in_console", "refunded_in_console",
    "failure_after_success", "refund_undone",
)  # fmt: skip
#: Providers of a fault, if not all: where a provider does not tell refunds apart, an operator must (docs/providers.md).
_NAME_REFUNDS: Final = tuple(name for name, plugin in PLUGINS.items() if plugin.capabilities.reports_failed_refunds)
FAULT_PROVIDERS: Final = dict.fromkeys(("refund_fails_later", "refunded_in_console", "refund_undone"), _NAME_REFUNDS)
POLL_S: Final = 1.0
#: Open operations without news for this long are queried now: the schedule could take hours.
QUIET_S: Final = 5.0
#: If no operation ends for this long, the rest never will.
SETTLE_S: Final = 600.0
AUDIT_WAIT_S: Final = 60.0

OnProgress = Callable[[str], None]


async def storm(
    settings: Settings, status: dict[str, Any], payments: int, rate: float, seed: int, on_progress: OnProgress
) -> dict[str, Any]:
    """The figures of ``billing storm --json``."""
    urls, run, started = status["urls"], secrets.token_hex(4), time.monotonic()
    storm = sql.Storm(run, datetime.now(UTC))
    shop = StormShop(urls["ingest"], status["api_key"], run, seed, holding=_with_two_stages())
    captures = Captures(urls["ingest"], status["api_key"])
    async with connected(settings) as engine, aiohttp.ClientSession(raise_for_status=True) as http:
        await _set_faults(http, urls["sandbox"], rate, seed)
        try:
            async with EarlyFollowUps(settings, engine, storm) as early:
                await _with_progress(shop.open(payments), engine, storm, lambda s: on_progress(f"selling: {s}"))
                async with engine.connect() as connection:
                    captured = await sql.captured(connection, storm)
                refunds = await _with_progress(
                    refund_half(urls["ingest"], status["api_key"], captured),
                    engine,
                    storm,
                    lambda s: on_progress(f"refunding: {s}"),
                )
                unfinished = await _until_final(engine, storm, captures, on_progress)
                sent = early.sent
                await http.delete(f"{urls['sandbox']}/_sandbox/faults")
                on_progress("asking about every payment: callbacks of what was done in consoles were lost too")
                await early.ask_all()
        finally:
            await http.delete(f"{urls['sandbox']}/_sandbox/faults")
        on_progress("the audit")
        findings = await audit(settings, AUDIT_WAIT_S, settled=False, on_progress=on_progress)
        async with engine.connect() as connection:
            statuses, sums = await sql.statuses(connection, storm), await sql.ledger_sums(connection, storm)
            failures = await sql.failures(connection, storm)
        providers = [await _compared(Record(http, urls["sandbox"]), one) for one in sums]
    return {
        "payments": payments,
        "accepted": len(shop.accepted),
        "rate": rate,
        "statuses": statuses,
        "failures": failures,
        "refunds": refunds,
        "asked_again": sent,
        "unfinished": unfinished,
        "providers": providers,
        "violations": [violation._asdict() for violation in findings.violations],
        "seconds": round(time.monotonic() - started, 1),
    }


def all_agree(figures: dict[str, Any]) -> bool:
    """Whether everything is final and all records agree, to the minor unit."""
    return (
        figures["accepted"] == figures["payments"]
        and not figures["unfinished"]
        and not figures["violations"]
        and all(one["taken"] == one["ledger_taken"] for one in figures["providers"])
        and all(one["returned"] == one["ledger_returned"] for one in figures["providers"])
    )


class EarlyFollowUps:
    """Sends follow-ups for open operations without news, ahead of their schedule."""

    def __init__(self, settings: Settings, engine: AsyncEngine, storm: sql.Storm) -> None:
        self._producer = new_producer(settings)
        self._engine = engine
        self._storm = storm
        self.sent = 0

    async def __aenter__(self) -> Self:
        await self._producer.start()
        self._task = asyncio.create_task(self._send())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._producer.stop()

    async def ask_all(self) -> None:
        """Ask about every payment that is final, and wait for the answers."""
        publisher, since = Publisher(self._producer), datetime.now(UTC)
        async with self._engine.connect() as connection:
            rows = await sql.orders_to_ask(connection, self._storm)
        messages = [follow_up_message(*row, datetime.now(UTC), on_demand=True) for row in rows]
        await publisher.publish(messages)
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline:
            async with self._engine.connect() as connection:
                if not await sql.count_unanswered(connection, self._storm, since):
                    return
            await asyncio.sleep(POLL_S)

    async def _send(self) -> None:
        publisher = Publisher(self._producer)
        while True:
            await asyncio.sleep(QUIET_S)
            async with self._engine.connect() as connection:
                found = await sql.open_operations(connection, self._storm, QUIET_S)
            quiet = [(payment, operation, chases) for payment, operation, chases, is_quiet in found if is_quiet]
            await publisher.publish([follow_up_message(*row, datetime.now(UTC)) for row in quiet])
            self.sent += len(quiet)


def _with_two_stages() -> list[str]:
    """The providers that take payments in either mode."""
    found = read_capabilities(read_callback_settings())
    return [name for name, capabilities in found.items() if capabilities.capture_modes == set(CaptureMode)]


async def _set_faults(http: aiohttp.ClientSession, sandbox: str, rate: float, seed: int) -> None:
    await http.delete(f"{sandbox}/_sandbox/faults")
    for number, fault in enumerate(FAULTS):
        for provider in FAULT_PROVIDERS.get(fault, ("*",)):
            body = {"fault": fault, "provider": provider, "rate": rate, "seed": seed + number}
            await http.post(f"{sandbox}/_sandbox/faults", json=body)


async def _with_progress(work: Any, engine: AsyncEngine, storm: sql.Storm, on_progress: OnProgress) -> Any:
    task = asyncio.ensure_future(work)
    while not task.done():
        await asyncio.wait([task], timeout=POLL_S)
        async with engine.connect() as connection:
            on_progress(_line(await sql.statuses(connection, storm)))
    return await task


async def _until_final(engine: AsyncEngine, storm: sql.Storm, captures: Captures, on_progress: OnProgress) -> int:
    """Capture what is held, and wait until no operation is open; returns how many stay open."""
    least, deadline = None, 0.0
    while True:
        async with engine.connect() as connection:
            held = await sql.held(connection, storm)
            unfinished = len(await sql.open_operations(connection, storm, QUIET_S))
            on_progress(f"{unfinished} operations not final; {_line(await sql.statuses(connection, storm))}")
        await captures.ask(held)
        if least is None or unfinished < least:
            least, deadline = unfinished, time.monotonic() + SETTLE_S
        if not unfinished or time.monotonic() > deadline:
            return unfinished
        await asyncio.sleep(POLL_S)


async def _compared(record: Record, ledger: sql.LedgerSums) -> dict[str, Any]:
    orders = await record.find(ledger.order_refs)
    return {
        "provider": ledger.provider,
        "orders": ledger.orders,
        "taken": sum(order.captured for order in orders),
        "ledger_taken": ledger.taken,
        "returned": sum(order.refunded for order in orders),
        "ledger_returned": ledger.returned,
    }


def _line(statuses: dict[str, int]) -> str:
    return ", ".join(f"{count} {status.lower()}" for status, count in _sorted(statuses.items()))


def _sorted(found: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(found, key=lambda pair: -pair[1])
