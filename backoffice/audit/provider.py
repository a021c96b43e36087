"""The providers' own records against Postgres."""

from collections.abc import Iterable, Mapping
from typing import Final

import aiohttp
import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from backoffice.audit.findings import Findings
from providers.registry import PLUGINS
from runtime.settings import SandboxSettings
from storage.inspection import books as sql
from storage.inspection.books import Charge

#: Maximum orders on a page of the sandbox' record, and of older ones queried by id at once.
PAGE: Final = 100_000
IDS_AT_ONCE: Final = 100
TIMEOUT_S: Final = 120


class OperationRecord(msgspec.Struct):
    """An operation in the provider's record."""

    type: str
    status: str


class OrderRecord(msgspec.Struct):
    """An order in the provider's record, amounts in minor units."""

    order_id: str
    provider: str
    captured: int
    refunded: int
    operations: list[OperationRecord] = []


class Book(msgspec.Struct):
    """A response of ``/_sandbox/book``."""

    orders: list[OrderRecord]


_decode = msgspec.json.Decoder(Book).decode


class Record:
    """The sandbox' record, over HTTP."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = f"{url.rstrip('/')}/_sandbox/book"

    async def newest(self) -> list[OrderRecord]:
        """The newest orders, at most one page."""
        return await self._get([("since", "0"), ("limit", str(PAGE))])

    async def find(self, order_ids: list[str]) -> list[OrderRecord]:
        """Orders by id."""
        found = []
        for first in range(0, len(order_ids), IDS_AT_ONCE):
            found += await self._get([("order_id", id) for id in order_ids[first : first + IDS_AT_ONCE]])
        return found

    async def _get(self, query: list[tuple[str, str]]) -> list[OrderRecord]:
        async with self._http.get(self._url, params=query) as response:
            response.raise_for_status()
            return _decode(await response.read()).orders


async def check_charges(
    connection: AsyncConnection, settings: SandboxSettings, findings: Findings, *, settled: bool
) -> None:
    """Every charge has its payment and every payment its charge. Checks nothing without a sandbox."""
    if not settings.sandbox_url:
        return
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as http:
        record = Record(http, settings.sandbox_url)
        newest = await record.newest()
        for provider in PLUGINS:
            orders = {order.order_id: order for order in newest if order.provider == provider}
            async for charges in sql.charges(connection, provider):
                older = [c.order_ref for c in charges if c.order_ref not in orders] if len(newest) == PAGE else []
                orders |= {order.order_id: order for order in await record.find(older)}
                compare(charges, orders, findings, settled=settled)
                for charge in charges:
                    orders.pop(charge.order_ref, None)
            unknown(orders.values(), findings)


def compare(charges: Iterable[Charge], orders: Mapping[str, OrderRecord], findings: Findings, *, settled: bool) -> None:
    """Compare our payments with the provider's orders. While an operation is open or a question is due the two may differ."""
    for charge in charges:
        findings.checked["charges"] += 1
        order = orders.get(charge.order_ref)
        id = charge.payment_id
        if order is None:
            if charge.captured:
                findings.found(
                    "charge_missing", id, f"captured {charge.captured}, no order {charge.order_ref} at the provider"
                )
            continue
        _doubled(order, id, findings)
        if order.captured > charge.amount:
            findings.found("charge_excessive", id, f"{order.captured} captured of {charge.amount}")
        theirs, ours = (order.captured, order.refunded), (charge.captured, charge.refunded)
        if theirs == ours:
            continue
        detail = f"captured and refunded: {order.provider} has {theirs}, Postgres has {ours}"
        # We learn of changes after the provider: we may be behind its record, never ahead of it.
        if charge.open and theirs >= ours:
            findings.under_way("charge_unsettled", id, detail, settled=settled)
        else:
            findings.found("charge_mismatch", id, detail)


def unknown(orders: Iterable[OrderRecord], findings: Findings) -> None:
    """Report orders without a payment of ours, unless they captured nothing."""
    for order in orders:
        if order.captured:
            _doubled(order, order.order_id, findings)
            findings.found("charge_unknown", order.order_id, f"{order.captured} captured without a payment of ours")


def _doubled(order: OrderRecord, id: object, findings: Findings) -> None:
    captures = sum(o.type == "CAPTURE" and o.status == "SUCCESS" for o in order.operations)
    if captures > 1:
        findings.found("charge_doubled", id, f"{captures} successful captures at {order.provider}")
