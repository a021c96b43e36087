"""Clearing: what the statements of cleared days say is in the books or has a name; and where the sandbox is the provider,
each fault that it put into a statement has one, and nothing else has."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Final

import aiohttp
import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from backoffice.audit.findings import Findings
from backoffice.audit.provider import TIMEOUT_S, OrderRecord, Record
from billing.clearing.discrepancies import Kind
from providers import registry
from providers.sandbox.faults import NOT_SHOWN
from providers.sandbox.movements import another
from providers.settlement import Settlement
from runtime.settings import SandboxSettings
from storage.inspection import clearing as sql
from storage.inspection.books import REPORTED_MAX
from storage.inspection.clearing import Booked, Found

_ABSENT: Final = frozenset({Kind.LATE, Kind.MISSING_AT_PROVIDER})
#: Fault of a line → the kinds that name it. What half a statement lacks is ``settled_unequal``. What the staff does to a
#: payment of ours is known by the provider's record: ``charge_mismatch`` finds where the books do not have it.
NAMES: Final[Mapping[str, frozenset[Kind]]] = {
    "register_missing": _ABSENT,
    "register_late": _ABSENT,
    "register_extra": frozenset({Kind.UNKNOWN_PAYMENT}),
    "register_amount": frozenset({Kind.AMOUNT_DIFFERS}),
    "register_fee": frozenset({Kind.FEE_DIFFERS}),
    # Of a refund whose own id the provider does not echo: one that was made in the console looks the same.
    "register_twice": frozenset({Kind.TAKEN_TWICE, Kind.MISSING_HERE}),
    "register_currency": frozenset({Kind.CURRENCY_DIFFERS}),
    "register_type": frozenset({Kind.UNCLASSIFIED_LINE}),
    # A reading that broke off has shown the line as it was: nobody saw it agree.
    "register_changed": frozenset({Kind.LINE_CHANGED, Kind.AMOUNT_DIFFERS}),
    "register_withdrawn": _ABSENT | {Kind.LINE_WITHDRAWN},
    "chargeback": frozenset({Kind.CHARGEBACK}),
    "chargeback_won": frozenset({Kind.CHARGEBACK}),
    "charge_in_console": frozenset({Kind.UNKNOWN_PAYMENT}),
    "payout_short": frozenset({Kind.PAYOUT_DIFFERS}),
}
#: Faults that have a name whether the books have the payment or not.
_OF_NO_PAYMENT: Final = frozenset({"register_extra", "register_type", "charge_in_console", "payout_short"})
#: Faults of what was right when it was read for the first time.
_ONCE_RIGHT: Final = frozenset({"register_changed", "register_withdrawn"})
_OF_PAYMENTS: Final = frozenset({"charge", "refund", "refund_undone", "chargeback", "chargeback_undone"})


class Struck(msgspec.Struct, frozen=True):
    """A movement that a statement shows otherwise than it happened. ``at``: Unix seconds; ``readings``: how often its line
    was read since."""

    id: str
    provider: str
    kind: str
    amount: int
    at: float
    order_id: str
    operation_id: str
    key: str
    fault: str
    readings: int

    @property
    def names(self) -> set[str]:
        """What a line of it can be called."""
        known = [name for name in (self.id, self.order_id, self.operation_id, self.key) if name]
        return {core(name) for each in known for name in (each, another(each))}


class _Faults(msgspec.Struct):
    lines: list[Struck]


def core(name: str) -> str:
    """A provider's name without its prefix and hyphens: Stripe gives a movement, its cause and its order one name each."""
    prefix, _, rest = name.partition("_")
    return (rest if rest and prefix.isalpha() else name).replace("-", "").replace("_", "")


async def check_clearing(connection: AsyncConnection, settings: SandboxSettings, findings: Findings) -> None:
    """Every line and every movement of a cleared day agrees or has a name."""
    capabilities = registry.read_capabilities(registry.read_settings())
    cleared = {}
    for provider, able in capabilities.items():
        if days := await sql.cleared_days(connection, provider):
            cleared[provider] = days
            await _check_sides(connection, provider, able.settlement, days, findings)
    if settings.sandbox_url and cleared:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as http:
            struck = await _struck(http, settings.sandbox_url)
            record = Record(http, settings.sandbox_url)
            for provider, days in cleared.items():
                of_provider = [one for one in struck if one.provider == provider]
                settlement = capabilities[provider].settlement
                await _check_faults(connection, record, provider, settlement, days, of_provider, findings)


async def _check_sides(
    connection: AsyncConnection, provider: str, settlement: Settlement, days: Collection[date], findings: Findings
) -> None:
    findings.checked["cleared_days"] += len(days)
    for id, detail in await sql.lines_nowhere(connection, provider, days, REPORTED_MAX):
        findings.found("line_nowhere", f"{provider}/{id}", detail)
    start, end = settlement.business_day(min(days))[0], settlement.business_day(max(days))[1]
    for id, detail in await sql.settled_unequal(connection, provider, days, start, end, REPORTED_MAX):
        findings.found("settled_unequal", id, f"{provider}: {detail}")


async def _struck(http: aiohttp.ClientSession, url: str) -> list[Struck]:
    async with http.get(f"{url.rstrip('/')}/_sandbox/faults/struck") as response:
        return msgspec.json.decode(await response.read(), type=_Faults).lines


async def _check_faults(
    connection: AsyncConnection,
    record: Record,
    provider: str,
    settlement: Settlement,
    days: Collection[date],
    struck: Collection[Struck],
    findings: Findings,
) -> None:
    """Compare the sandbox's list of faults with the discrepancies, both ways."""
    found = await sql.discrepancies_found(connection, provider)
    refs = {one.order_id for one in struck} | {one.order_ref for one in found if one.order_ref is not None}
    refs |= {name for one in found if one.order_ref is None for name in one.names}
    theirs = {order.order_id: order for order in await record.find(sorted(refs))}
    ours = await sql.booked(connection, provider, refs)
    end = settlement.business_day(max(days))[1]
    findings.checked["statement_faults"] += len(struck)
    for fault in struck:
        on_cleared_day = settlement.day_of(datetime.fromtimestamp(fault.at, UTC)) in days
        if not on_cleared_day or not _has_to_be_named(fault, settlement, ours, theirs, end):
            continue
        if not any(_names(one, fault) and NAMES[fault.fault] & set(one.kinds) for one in found):
            detail = f"{fault.fault} of {fault.kind} {fault.id}, {fault.amount}: no discrepancy names it"
            findings.found("clearing_blind", f"{provider}/{fault.id}", detail)
    for one in found:
        if not _is_explained(one, struck, ours, theirs):
            detail = f"{provider}: {one.kinds[-1]} of {one.subject}, and the provider has done nothing of the kind"
            findings.found("clearing_invented", one.id, detail)


def _has_to_be_named(
    fault: Struck,
    settlement: Settlement,
    ours: Mapping[str, Booked],
    theirs: Mapping[str, OrderRecord],
    end: datetime,
) -> bool:
    """Whether clearing can see the fault: in the statement, and against a movement that was booked before ``end``."""
    if fault.fault not in NAMES or (fault.provider, fault.kind, fault.fault) in NOT_SHOWN:
        return False
    if fault.fault in _ONCE_RIGHT and fault.readings < 2:  # noqa: PLR2004 - the first was right
        return False
    if fault.fault == "register_fee" and (fault.kind != "charge" or not settlement.tariffs):
        return False
    if fault.fault in _OF_NO_PAYMENT:
        return True
    books = ours.get(fault.order_id)
    is_known = books is not None and books.last_at is not None and books.last_at < end
    return fault.kind in _OF_PAYMENTS and is_known and not _differ(books, theirs.get(fault.order_id))


def _is_explained(
    one: Found, struck: Iterable[Struck], ours: Mapping[str, Booked], theirs: Mapping[str, OrderRecord]
) -> bool:
    """Whether the provider gave a reason for a discrepancy. One that closed has had its evidence; one that is late only
    lacks time; a fee is compared with a contract, which the provider's record does not have."""
    if one.subject.startswith("fee:") or one.state == "EXPECTED" or (one.state == "CLOSED" and not one.is_decided):
        return True
    if any(_names(one, fault) for fault in struck):
        return True
    if one.order_ref is None:
        return any(name in theirs and name not in ours for name in one.names)
    return _differ(ours.get(one.order_ref), theirs.get(one.order_ref))


def _names(one: Found, fault: Struck) -> bool:
    return not fault.names.isdisjoint(map(core, one.names))


def _differ(books: Booked | None, order: OrderRecord | None) -> bool:
    """Whether the books have another sum than the provider."""
    ours = (0, 0) if books is None else (books.captured, books.refunded)
    return ours != ((0, 0) if order is None else (order.captured, order.refunded))
