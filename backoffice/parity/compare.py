"""Group counts and sums in Postgres and in ClickHouse, compared."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from clickhouse_connect.driver.asyncclient import AsyncClient
from sqlalchemy.ext.asyncio import AsyncConnection

from sinks.clickhouse.backfill import CLEARING, PAYMENTS, SOURCES, SUBSCRIPTIONS, Journal
from storage.inspection import parity as books

#: The same figures as :mod:`storage.inspection.parity`.
_METADATA: Final = """
    arraySum((key, value) -> toInt64(reinterpretAsUInt32(reverse(substring(MD5(concat(key, '=', value)), 1, 4)))),
             mapKeys(metadata), mapValues(metadata))
"""
#: What clearing tells besides discrepancies: the subject, its business day, its version, of what type.
_CLEARING: Final = """
    SELECT business_date AS day, provider, version, 'billing.clearing.day.v1' AS state,
           concat(toString(business_date), ' ', provider) AS subject FROM clearing_days
    UNION ALL
    SELECT business_date, provider, version, 'billing.clearing.lost_callbacks.v1',
           concat(toString(business_date), ' ', provider) FROM lost_callbacks
    UNION ALL
    SELECT business_date, provider, version, 'billing.clearing.payout.v1',
           concat(toString(business_date), ' ', provider, ' ', toString(payout_line_id)) FROM payouts
"""
_GROUPS: Final[dict[str, str]] = {
    "payments": f"""
        SELECT toDate(created_at) AS day, provider, currency, status AS state, count(), sum(p.amount),
               sum(p.authorized), sum(p.captured), sum(p.refunded), sum({_METADATA})
        FROM payments AS p WHERE {{where}} GROUP BY day, provider, currency, state
    """,  # noqa: S608 - of constants
    "operations": """
        SELECT toDate(created_at) AS day, provider, currency, concat(type, ' ', status) AS state, count(), sum(o.amount)
        FROM operations AS o WHERE {where} GROUP BY day, provider, currency, state
    """,
    "ledger": """
        SELECT toDate(posted_at) AS day, provider, currency, account AS state, count(), sum(e.amount)
        FROM ledger_entries AS e WHERE {where} GROUP BY day, provider, currency, state
    """,
    "subscriptions": """
        SELECT toDate(created_at) AS day, provider, currency, status AS state, count(), sum(s.amount)
        FROM subscriptions AS s WHERE {where} GROUP BY day, provider, currency, state
    """,
    "periods": """
        SELECT toDate(start_at) AS day, '' AS provider, currency, status AS state, count(), sum(p.amount)
        FROM subscription_periods AS p WHERE {where} GROUP BY day, provider, currency, state
    """,
    "attempts": """
        SELECT toDate(requested_at) AS day, provider, currency, state, count(), sum(a.amount)
        FROM renewal_attempts AS a WHERE {where} GROUP BY day, provider, currency, state
    """,
    "discrepancies": """
        SELECT toDate(opened_at) AS day, provider, currency, concat(kind, ' ', d.state) AS state, count(), sum(d.difference)
        FROM discrepancies AS d WHERE {where} GROUP BY day, provider, currency, state
    """,
    "clearing": f"""
        SELECT day, provider, '' AS currency, state, count(), sum(version)
        FROM ({_CLEARING}) WHERE {{where}} GROUP BY day, provider, state
    """,  # noqa: S608 - of constants
}
_ROWS: Final[dict[str, str]] = {
    "payments": f"""
        SELECT toString(payment_id), payment_id, concat(toString(version), '|', status, '|', toString(amount), '|',
               toString(authorized), '|', toString(captured), '|', toString(refunded), '|', provider, '|', currency, '|',
               toString({_METADATA}))
        FROM payments WHERE toDate(created_at) = {{day:Date}}
    """,  # noqa: S608 - of constants
    "operations": """
        SELECT toString(operation_id), payment_id,
               concat(type, '|', status, '|', toString(amount), '|', provider, '|', currency)
        FROM operations WHERE toDate(created_at) = {day:Date}
    """,
    "ledger": """
        SELECT concat(toString(posting_id), '/', toString(line)), payment_id,
               concat(account, '|', toString(amount), '|', currency)
        FROM ledger_entries WHERE toDate(posted_at) = {day:Date}
    """,
    "subscriptions": """
        SELECT toString(subscription_id), subscription_id,
               concat(toString(version), '|', status, '|', plan, '|', toString(amount), '|', provider, '|', currency)
        FROM subscriptions WHERE toDate(created_at) = {day:Date}
    """,
    "periods": """
        SELECT concat(toString(subscription_id), '/', toString(number)), subscription_id,
               concat(toString(version), '|', status, '|', toString(amount), '|', currency, '|', toString(paid_by), '|',
                      toString(toUnixTimestamp64Micro(end_at)))
        FROM subscription_periods WHERE toDate(start_at) = {day:Date}
    """,
    "attempts": """
        SELECT toString(payment_id), subscription_id,
               concat(toString(version), '|', state, '|', toString(amount), '|', provider, '|', currency)
        FROM renewal_attempts WHERE toDate(requested_at) = {day:Date}
    """,
    "discrepancies": """
        SELECT toString(discrepancy_id), discrepancy_id,
               concat(toString(version), '|', kind, '|', state, '|', toString(difference), '|', currency)
        FROM discrepancies WHERE toDate(opened_at) = {day:Date}
    """,
    "clearing": f"""
        SELECT concat(subject, ' ', state), subject, toString(version) FROM ({_CLEARING}) WHERE day = {{day:Date}}
    """,  # noqa: S608 - of constants
}
KINDS: Final = tuple(_GROUPS)
#: Kind → where its rows come from.
_SOURCES: Final = (
    dict.fromkeys(KINDS, PAYMENTS)
    | dict.fromkeys(("subscriptions", "periods", "attempts"), SUBSCRIPTIONS)
    | dict.fromkeys(("discrepancies", "clearing"), CLEARING)
)
_SETTINGS: Final = {"do_not_merge_across_partitions_select_final": 1}


class Difference(msgspec.Struct, frozen=True):
    """A group that differs: count, then sums (minor units), of payments last a checksum of their metadata, as each side
    has them; zeros if a side has none."""

    kind: str
    day: date
    provider: str
    currency: str
    state: str
    postgres: tuple[int, ...]
    clickhouse: tuple[int, ...]


class Comparison(NamedTuple):
    """How many groups were compared, and those that differ."""

    groups: int
    differences: list[Difference]


async def compare(connection: AsyncConnection, clickhouse: AsyncClient, day: date | None) -> Comparison:
    """Compare all groups of ``day`` (UTC), or of all days."""
    compared, found = 0, []
    for kind in KINDS:
        ours = await books.groups(connection, kind, day)
        theirs = await _groups(clickhouse, kind, day)
        compared += len(ours.keys() | theirs.keys())
        found += list(differences(kind, ours, theirs))
    return Comparison(compared, found)


def differences(
    kind: str, ours: Mapping[books.Group, tuple[int, ...]], theirs: Mapping[books.Group, tuple[int, ...]]
) -> Iterator[Difference]:
    """The groups that differ, sorted."""
    for group in sorted(ours.keys() | theirs.keys()):
        left, right = ours.get(group, ()), theirs.get(group, ())
        if left != right:
            nothing = (0,) * max(len(left), len(right))
            yield Difference(kind, *group, left or nothing, right or nothing)


async def affected(
    connection: AsyncConnection, clickhouse: AsyncClient, found: list[Difference]
) -> tuple[dict[Journal, list[UUID]], list[str]]:
    """Of the days that differ: the payments, subscriptions and subjects of clearing whose rows are missing or different in ClickHouse, and the
    keys of ClickHouse rows that Postgres does not have."""
    ids: dict[Journal, dict[UUID, None]] = {source: {} for source in SOURCES}
    extra: list[str] = []
    for kind, day in sorted({(difference.kind, difference.day) for difference in found}):
        ours = await books.rows_of(connection, kind, day)
        answer = await clickhouse.query(_ROWS[kind], parameters={"day": day}, settings=dict(_SETTINGS))
        theirs = {str(row[0]): str(row[2]) for row in answer.result_rows}
        ids[_SOURCES[kind]] |= {id: None for key, (id, what) in ours.items() if theirs.get(key) != what}
        extra += [f"{kind} {key}" for key in sorted(theirs.keys() - ours.keys())]
    return {source: list(found) for source, found in ids.items()}, extra


async def _groups(clickhouse: AsyncClient, kind: str, day: date | None) -> dict[books.Group, tuple[int, ...]]:
    query = _GROUPS[kind].replace("{where}", "1" if day is None else "day = {day:Date}")
    parameters: dict[str, Any] = {} if day is None else {"day": day}
    rows = (await clickhouse.query(query, parameters=parameters, settings=dict(_SETTINGS))).result_rows
    return {(row[0], str(row[1]), str(row[2]), str(row[3])): tuple(map(int, row[4:])) for row in rows}
