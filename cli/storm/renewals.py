"""Runs the storm of renewals: subscribers live by test clocks until each has been charged for the next period while every
provider fails at random. Then the providers' own record, the ledger, ClickHouse and the signals are compared."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import aiohttp
from clickhouse_connect.driver import AsyncClient
from sqlalchemy.ext.asyncio import AsyncEngine

from analytics.clickhouse import connect
from backoffice import test_clocks
from backoffice.audit.audit import audit
from backoffice.audit.provider import OrderRecord, Record
from cli.storm.faults import add_faults_of_charges, clear_faults, set_faults
from cli.storm.follow_ups import POLL_S, QUIET_S, SETTLE_S, EarlyFollowUps
from cli.storm.signals import Signals, listening
from cli.storm.subscribers import Subscribers
from runtime.postgres import connected
from runtime.settings import Settings
from storage.inspection import storm as payments_sql
from storage.inspection import storm_renewals as sql
from storage.inspection.storm import Storm
from storage.test_clocks import MAX_SUBSCRIPTIONS

#: The API client that the local stack's key belongs to.
CLIENT: Final = "demo"
#: The clocks go on for so long after the last period has ended: for the charge, for its repeats after faults of ours, and
#: for the first retry after a decline.
BEHIND_THE_END: Final = timedelta(days=2)
#: One of this many who renewed cancels, and gets the period back.
CANCELS_EVERY: Final = 10
AUDIT_WAIT_S: Final = 120.0
#: For ClickHouse and the signals to agree with the books, seconds.
AGREE_S: Final = 120.0

#: What a provider has, and what each of our records says of it: they must be equal.
SAME_TAKEN: Final = ("taken", "ledger_taken", "clickhouse_taken", "receipts")
SAME_RETURNED: Final = ("returned", "ledger_returned", "clickhouse_returned")

_SUMS: Final = """
    SELECT provider, sum(captured), sum(refunded) FROM payments
    WHERE startsWith(customer_id, {prefix:String}) AND created_at >= {since:DateTime64(6)} GROUP BY provider
"""


async def storm(
    settings: Settings,
    status: dict[str, Any],
    renewals: int,
    rate: float,
    seed: int,
    on_progress: Callable[[str], None],
) -> dict[str, Any]:
    """The figures of ``billing storm --renewals --json``."""
    urls, run = status["urls"], secrets.token_hex(4)
    subscribers = Subscribers(urls["ingest"], status["api_key"], run)
    async with (
        connected(settings) as engine,
        aiohttp.ClientSession(raise_for_status=True) as http,
        listening(urls["rabbitmq"], run, subscribers.prefix) as signals,
    ):
        clickhouse = await connect(settings.clickhouse_url)
        try:
            renewing = _Renewing(settings, engine, http, clickhouse, signals, subscribers, urls["sandbox"], on_progress)
            return await renewing.play(run, renewals, rate, seed)
        finally:
            await clickhouse.close()


def all_agree(figures: dict[str, Any]) -> bool:
    """Whether everything is final, nobody paid twice for a period, and all records agree to the minor unit."""
    return (
        figures["charged"] == figures["renewals"]
        and not any(figures[name] for name in ("unfinished", "charged_twice", "access_mismatches", "violations"))
        and all(
            len({one[name] for name in names}) == 1
            for one in figures["providers"]
            for names in (SAME_TAKEN, SAME_RETURNED)
        )
    )


class _Renewing:
    def __init__(
        self,
        settings: Settings,
        engine: AsyncEngine,
        http: aiohttp.ClientSession,
        clickhouse: AsyncClient,
        signals: Signals,
        subscribers: Subscribers,
        sandbox: str,
        on_progress: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._http = http
        self._clickhouse = clickhouse
        self._signals = signals
        self._subscribers = subscribers
        self._plan = subscribers.plan
        self._sandbox = sandbox
        self._on_progress = on_progress
        self._clocks: list[UUID] = []

    async def play(self, run: str, number: int, rate: float, seed: int) -> dict[str, Any]:
        started = time.monotonic()
        await self._subscribe(run, number)
        subscribed = time.monotonic()
        storm = Storm(run, datetime.now(UTC))
        await set_faults(self._http, self._sandbox, rate, seed)
        await add_faults_of_charges(self._http, self._sandbox, rate, seed)
        try:
            async with EarlyFollowUps(self._settings, self._engine, storm) as early:
                await self._advance()
                unfinished = await self._until_final(storm)
                await self._cancel()
                unfinished = max(unfinished, await self._until_final(storm))
                asked_again = early.sent
                await clear_faults(self._http, self._sandbox)
                self._on_progress("asking about every charge: callbacks of what was done in consoles were lost too")
                await early.ask_all()
                unfinished = max(unfinished, await self._until_final(storm))
        finally:
            await clear_faults(self._http, self._sandbox)
        settled = time.monotonic()
        figures = await self._compared(storm)
        self._on_progress("the audit")
        findings = await audit(self._settings, AUDIT_WAIT_S, settled=False, on_progress=self._on_progress)
        return {
            "renewals": number,
            "rate": rate,
            **figures,
            "asked_again": asked_again,
            "unfinished": unfinished,
            "violations": [violation._asdict() for violation in findings.violations],
            "subscribed_seconds": round(subscribed - started, 1),
            "settled_seconds": round(settled - subscribed, 1),
            "seconds": round(time.monotonic() - started, 1),
        }

    async def _subscribe(self, run: str, number: int) -> None:
        """All have paid the first period, while the providers work."""
        await clear_faults(self._http, self._sandbox)
        for n in range(-(-number // MAX_SUBSCRIPTIONS)):
            clock = await test_clocks.create(self._settings, CLIENT, f"storm {run} {n}", None)
            self._clocks.append(clock.id)
        subscribing = asyncio.ensure_future(self._subscribers.subscribe(number, self._clocks))
        deadline = None
        while True:
            await asyncio.wait([subscribing], timeout=POLL_S)
            async with self._engine.connect() as connection:
                statuses = await sql.statuses(connection, self._plan)
            active = statuses.get("ACTIVE", 0)
            self._on_progress(f"subscribing: {active} of {number}")
            if subscribing.done():
                await subscribing
                if active == number:
                    return
                deadline = deadline or time.monotonic() + SETTLE_S
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{active} of {number} subscriptions are active")
                await asyncio.sleep(POLL_S)

    async def _advance(self) -> None:
        async with self._engine.connect() as connection:
            to = await sql.last_period_end(connection, self._plan) + BEHIND_THE_END
        for clock in self._clocks:
            await test_clocks.advance(self._settings, clock, to)

    async def _cancel(self) -> None:
        async with self._engine.connect() as connection:
            renewed = await sql.renewed(connection, self._plan)
        self._on_progress("cancelling")
        await self._subscribers.cancel(renewed[::CANCELS_EVERY])

    async def _until_final(self, storm: Storm) -> int:
        """Wait until the clocks have arrived and no charge and no operation is open; returns how many stay so."""
        seen, deadline = None, 0.0
        while True:
            async with self._engine.connect() as connection:
                under_way = await sql.under_way(connection, self._plan, self._clocks)
                operations = len(await payments_sql.open_operations(connection, storm, QUIET_S))
                statuses = await sql.statuses(connection, self._plan)
            unfinished = sum(under_way) + operations
            self._on_progress(
                f"{under_way.clocks} clocks on their way, {under_way.charges} charges and {operations} operations open; "
                + ", ".join(f"{count} {status.lower()}" for status, count in sorted(statuses.items()))
            )
            if seen != (under_way, operations):
                seen, deadline = (under_way, operations), time.monotonic() + SETTLE_S
            if not unfinished or time.monotonic() > deadline:
                return unfinished
            await asyncio.sleep(POLL_S)

    async def _compared(self, storm: Storm) -> dict[str, Any]:
        """Each record's figures, once ClickHouse and the signals agree with the books, or time is up."""
        deadline = time.monotonic() + AGREE_S
        async with self._engine.connect() as connection:
            ledger = await payments_sql.ledger_sums(connection, storm)
            statuses = await sql.statuses(connection, self._plan)
            renewals = await sql.renewals(connection, self._plan)
            access = await sql.access(connection, self._plan)
        record = Record(self._http, self._sandbox)
        orders = {order.order_id: order for order in await record.find([r.order_ref for r in renewals])}
        provider_of = {renewal.subscription_id: renewal.provider for renewal in renewals}
        while True:
            theirs = await self._clickhouse_sums(storm)
            providers = [_of_provider(one, orders, theirs, self._receipts(provider_of)) for one in ledger]
            wrong = sum(self._signalled_access(id) != until for id, until in access.items())
            figures = {
                "subscriptions": statuses,
                "charged": len(provider_of),
                "charges": len(renewals),
                "declines": Counter(r.reason for r in renewals if r.state == "FAILED"),
                "charged_twice": _charged_twice(renewals, orders),
                "access_mismatches": wrong,
                "providers": providers,
            }
            agrees = all_agree(figures | {"renewals": len(provider_of), "unfinished": 0, "violations": []})
            if agrees or time.monotonic() > deadline:
                return figures
            self._on_progress("waiting for ClickHouse and the signals")
            await asyncio.sleep(POLL_S)

    async def _clickhouse_sums(self, storm: Storm) -> dict[str, tuple[int, int]]:
        parameters = {"prefix": self._subscribers.prefix, "since": storm.since}
        rows = (await self._clickhouse.query(_SUMS, parameters=parameters)).result_rows
        return {provider: (int(taken), int(returned)) for provider, taken, returned in rows}

    def _receipts(self, provider_of: dict[UUID, str]) -> Counter[str]:
        """Provider → the sum of the amounts in receipts, minor units."""
        sums: Counter[str] = Counter()
        for id, amount in self._signals.receipts.values():
            sums[provider_of[id]] += amount
        return sums

    def _signalled_access(self, id: UUID) -> datetime | None:
        """The end of the access by the last signal about it."""
        access = self._signals.access.get(id)
        return None if access is None else access.valid_until


def _of_provider(
    ledger: payments_sql.LedgerSums,
    orders: dict[str, OrderRecord],
    clickhouse: dict[str, tuple[int, int]],
    receipts: Counter[str],
) -> dict[str, Any]:
    own = [orders[ref] for ref in ledger.order_refs if ref in orders]
    taken, returned = clickhouse.get(ledger.provider, (0, 0))
    return {
        "provider": ledger.provider,
        "orders": ledger.orders,
        "taken": sum(order.captured for order in own),
        "ledger_taken": ledger.taken,
        "clickhouse_taken": taken,
        "receipts": receipts[ledger.provider],
        "returned": sum(order.refunded for order in own),
        "ledger_returned": ledger.returned,
        "clickhouse_returned": returned,
    }


def _charged_twice(renewals: list[sql.Renewal], orders: dict[str, OrderRecord]) -> int:
    """Periods for which a provider took money more than once and kept it, by the providers' own record."""
    kept = Counter(
        (renewal.subscription_id, renewal.period)
        for renewal in renewals
        if (order := orders.get(renewal.order_ref)) is not None and order.captured > order.refunded
    )
    return sum(number > 1 for number in kept.values())
