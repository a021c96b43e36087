"""The auditor's queries. They share nothing with the code that writes what they check."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Integer, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from runtime.postgres import asyncpg_target
from runtime.settings import PostgresSettings
from storage.inspection.clearing import DISCREPANCIES
from storage.inspection.closed_days import CLOSED_DAYS
from storage.inspection.settlement import SETTLEMENT
from storage.inspection.staff_trail import STAFF_TRAIL
from storage.inspection.subscriptions import SUBSCRIPTIONS

#: Seconds for one query: it may read whole tables.
QUESTION_TIMEOUT_S: Final = 900
CONNECT_TIMEOUT_S: Final = 5
#: Violations reported of one kind: the first ones show what is wrong.
REPORTED_MAX: Final = 1000
#: Payments fetched at once.
CHUNK: Final = 5000

#: Kind of violation → query for ``(id, detail)``. Amounts are minor units. Of the ledger, all but ``posting_unbalanced``
#: look at payments' own entries: those that clearing and operators write belong to no payment.
BOOKS: Final[dict[str, str]] = {
    "posting_unbalanced": """
        SELECT posting_id, format('entries add up to %s in %s currencies', sum(amount), count(DISTINCT currency))
        FROM ledger_entries GROUP BY posting_id HAVING sum(amount) <> 0 OR count(DISTINCT currency) <> 1
    """,
    "ledger_mismatch": """
        WITH held AS (
            SELECT payment_id, account, sum(amount) AS balance FROM ledger_entries
            WHERE source = 'payment' AND split_part(account, ':', 1) = 'clearing' GROUP BY 1, 2
        )
        SELECT p.id, format('the ledger holds %s, %s captured, %s refunded and %s charged back',
                            coalesce(h.balance, 0), p.captured, p.refunded, coalesce(p.charged_back, 0))
        FROM payments p LEFT JOIN held h ON h.payment_id = p.id AND h.account = 'clearing:' || p.provider
        WHERE coalesce(h.balance, 0) <> p.captured - p.refunded - coalesce(p.charged_back, 0)
    """,
    "amounts_mismatch": """
        WITH done AS (
            SELECT payment_id, provider,
                   sum(amount) FILTER (WHERE status = 'SUCCESS' AND type IN ('AUTHORIZE', 'RECURRING')) AS authorized,
                   sum(amount) FILTER (WHERE status = 'SUCCESS' AND type IN ('CAPTURE', 'RECURRING')) AS captured,
                   sum(amount) FILTER (WHERE status = 'SUCCESS' AND type = 'REFUND') AS refunded,
                   sum(amount) FILTER (WHERE status IN ('PENDING', 'UNKNOWN') AND type = 'REFUND') AS reserved,
                   sum(CASE type WHEN 'CHARGEBACK' THEN amount ELSE -amount END)
                       FILTER (WHERE status = 'SUCCESS' AND type IN ('CHARGEBACK', 'CHARGEBACK_UNDONE')) AS charged_back
            FROM operations GROUP BY 1, 2
        )
        SELECT p.id, format('authorized, captured, refunded, reserved, charged back: the payment has %s %s %s %s %s, its '
                            'operations %s %s %s %s %s, of %s', p.authorized, p.captured, p.refunded, p.refund_pending,
                            coalesce(p.charged_back, 0), coalesce(d.authorized, 0), coalesce(d.captured, 0),
                            coalesce(d.refunded, 0), coalesce(d.reserved, 0), coalesce(d.charged_back, 0), p.amount)
        FROM payments p LEFT JOIN done d ON d.payment_id = p.id AND d.provider = p.provider
        WHERE (p.authorized, p.captured, p.refunded, p.refund_pending, coalesce(p.charged_back, 0))
              <> (coalesce(d.authorized, 0), coalesce(d.captured, 0), coalesce(d.refunded, 0), coalesce(d.reserved, 0),
                  coalesce(d.charged_back, 0))
           OR p.authorized NOT BETWEEN 0 AND p.amount OR p.captured NOT BETWEEN 0 AND p.authorized
           OR p.refunded < 0 OR p.charged_back < 0 OR p.refunded + p.refund_pending + p.charged_back > p.captured
    """,
    # A posting and its reversal add up to zero, so only postings that were not reversed are compared.
    "operation_unposted": """
        SELECT o.id, format('%s of %s succeeded, %s posted', o.type, o.amount, coalesce(p.posted, 0))
        FROM operations o LEFT JOIN LATERAL (
            SELECT sum(e.amount) AS posted FROM ledger_entries e
            WHERE e.source = 'payment' AND e.operation_id = o.id AND split_part(e.account, ':', 1) = 'clearing'
        ) p ON true
        WHERE o.status = 'SUCCESS'
          AND o.type IN ('CAPTURE', 'RECURRING', 'REFUND', 'CHARGEBACK', 'CHARGEBACK_UNDONE')
          AND coalesce(p.posted, 0) <> CASE WHEN o.type IN ('REFUND', 'CHARGEBACK') THEN -o.amount ELSE o.amount END
    """,
    "posting_unfounded": """
        WITH posted AS (
            SELECT operation_id, account, sum(amount) AS amount FROM ledger_entries
            WHERE source = 'payment' GROUP BY 1, 2 HAVING sum(amount) <> 0
        )
        SELECT DISTINCT ON (p.operation_id) p.operation_id,
               format('%s on %s for %s', p.amount, p.account,
                      coalesce(o.type || ' that is ' || o.status, 'no operation'))
        FROM posted p LEFT JOIN operations o ON o.id = p.operation_id
        WHERE o.id IS NULL OR o.status <> 'SUCCESS'
           OR o.type NOT IN ('CAPTURE', 'RECURRING', 'REFUND', 'CHARGEBACK', 'CHARGEBACK_UNDONE')
        ORDER BY p.operation_id, p.account
    """,
    "operation_not_chased": """
        SELECT id, format('%s is %s since %s', type, status, updated_at) FROM operations
        WHERE status IN ('PENDING', 'UNKNOWN') AND next_chase_at IS NULL
    """,
    "contradicted": "SELECT id, provider || ': ' || contradiction FROM payments WHERE contradiction IS NOT NULL",
    "version_disorder": """
        SELECT payment_id, format('offset %s/%s: version %s after %s', stream_partition, stream_offset, version, earlier)
        FROM (
            SELECT payment_id, stream_partition, stream_offset, version,
                   lag(version) OVER (PARTITION BY payment_id ORDER BY stream_partition, stream_offset) AS earlier
            FROM journal WHERE version IS NOT NULL
        ) AS steps WHERE version NOT BETWEEN earlier AND earlier + 1
    """,
    # A payment last touched before the oldest row kept may have left the journal with its month.
    "version_unjournalled": """
        WITH last AS (SELECT payment_id, max(version) AS version FROM journal GROUP BY 1)
        SELECT p.id, format('version %s, the journal ends at %s', p.version, coalesce(l.version::text, 'nothing'))
        FROM payments p LEFT JOIN last l ON l.payment_id = p.id
        WHERE l.version IS DISTINCT FROM p.version
          AND p.updated_at >= coalesce((SELECT min(recorded_at) FROM journal), '-infinity')
    """,
}

#: All kinds of violations within Postgres.
KINDS: Final = BOOKS | CLOSED_DAYS | DISCREPANCIES | SETTLEMENT | SUBSCRIPTIONS | STAFF_TRAIL

_COUNTS = text(
    """
    SELECT (SELECT count(*) FROM payments) AS payments, (SELECT count(*) FROM operations) AS operations,
           (SELECT count(DISTINCT posting_id) FROM ledger_entries) AS postings,
           (SELECT count(*) FROM journal) AS journal, (SELECT count(*) FROM subscriptions) AS subscriptions
    """
)
_POSITIONS = text("SELECT consumer, topic, partition, next_offset FROM stream_positions")
_JOURNALLED = text(
    """
    SELECT count(*), count(DISTINCT stream_offset) FROM journal
    WHERE topic = :topic AND stream_partition = :partition AND stream_offset >= :start AND stream_offset < :until
    """
)
_UNJOURNALLED = text(
    """
    SELECT n FROM generate_series(CAST(:start AS bigint), CAST(:until AS bigint) - 1) AS n
    WHERE NOT EXISTS (SELECT FROM journal WHERE topic = :topic AND stream_partition = :partition AND stream_offset = n)
      AND NOT EXISTS (SELECT FROM parked_messages WHERE topic = :topic AND stream_partition = :partition
                      AND stream_offset = n)
    ORDER BY n
    """
)
_DOUBLED = text(
    """
    SELECT stream_offset, count(*) FROM journal
    WHERE topic = :topic AND stream_partition = :partition AND stream_offset >= :start AND stream_offset < :until
    GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT :reported
    """
)
_UNKNOWN_CREATES = text(
    """
    SELECT m.id, m.partition, m.offset_ FROM unnest(:ids, :partitions, :offsets) AS m (id, partition, offset_)
    WHERE NOT EXISTS (SELECT FROM payments p WHERE p.id = m.id)
      AND NOT EXISTS (SELECT FROM journal j WHERE j.topic = :topic AND j.stream_partition = m.partition
                      AND j.stream_offset = m.offset_ AND j.payment_id = m.id AND j.version IS NULL)
    """
).bindparams(
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("partitions", type_=ARRAY(Integer)),
    bindparam("offsets", type_=ARRAY(BigInteger)),
)
_VERSIONS = text("SELECT id, version FROM payments WHERE id = ANY(:ids)").bindparams(
    bindparam("ids", type_=ARRAY(Uuid))
)
_CHARGES = text(
    """
    SELECT p.id, p.order_ref, p.amount, p.captured, p.refunded,
           EXISTS (SELECT FROM operations o WHERE o.payment_id = p.id
                   AND (o.status IN ('PENDING', 'UNKNOWN') OR o.next_chase_at IS NOT NULL)) AS open
    FROM payments p WHERE p.provider = :provider
    UNION ALL
    -- An order abandoned for another provider: money taken there after all was given back there.
    SELECT p.id, coalesce(opened.provider_ref, opened.id::text), opened.amount,
           coalesce(sum(o.amount) FILTER (WHERE o.type = 'CAPTURE' AND o.status = 'SUCCESS'), 0)::bigint,
           coalesce(sum(o.amount) FILTER (WHERE o.type = 'REFUND' AND o.status = 'SUCCESS'), 0)::bigint,
           bool_or(o.status IN ('PENDING', 'UNKNOWN') OR o.next_chase_at IS NOT NULL)
    FROM operations opened
    JOIN payments p ON p.id = opened.payment_id AND p.provider <> opened.provider
    JOIN operations o ON o.payment_id = p.id AND o.provider = opened.provider
    WHERE opened.provider = :provider AND opened.action = 'CREATE'
    GROUP BY p.id, opened.id
    """
)
# The first 32 bits of an MD5 over what must agree; added up, the order of the rows does not matter.
_HOURS = text(
    """
    SELECT extract(epoch FROM date_trunc('hour', created_at))::bigint, count(*), sum(amount)::text,
           sum(('x' || substr(md5(concat_ws('|', id, type, status, amount)), 1, 8))::bit(32)::bigint)::text
    FROM operations GROUP BY 1
    """
)
_OPERATIONS_OF_HOUR = text(
    """
    SELECT id, concat_ws('|', type, status, amount) FROM operations
    WHERE created_at >= to_timestamp(:hour) AND created_at < to_timestamp(:hour) + interval '1 hour'
    """
)


class Charge(NamedTuple):
    """An order at a provider as we have it; amounts in minor units. ``open``: an operation is not final, or the provider
    will be asked about the order again."""

    payment_id: UUID
    order_ref: str
    amount: int
    captured: int
    refunded: int
    open: bool


def auditing_engine(settings: PostgresSettings) -> AsyncEngine:
    """An engine whose transactions are read-only, each on one snapshot."""
    url, tls = asyncpg_target(settings.postgres_url)
    return create_async_engine(
        url,
        isolation_level="REPEATABLE READ",
        connect_args={
            **tls,
            "command_timeout": QUESTION_TIMEOUT_S,
            "timeout": CONNECT_TIMEOUT_S,
            "server_settings": {
                "application_name": "billing verify",
                "jit": "off",
                "timezone": "UTC",
                "default_transaction_read_only": "on",
            },
        },
    )


@asynccontextmanager
async def moment(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection with one snapshot of the database, for as long as it is open."""
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        yield connection


async def counts(connection: AsyncConnection) -> dict[str, int]:
    """How many payments, operations, postings, journal rows and subscriptions there are."""
    return dict((await connection.execute(_COUNTS)).mappings().one())


async def broken(connection: AsyncConnection, kind: str) -> list[tuple[str, str]]:
    """``(id, detail)`` of the violations of one kind of :data:`KINDS`."""
    rows = await connection.execute(text(f"{KINDS[kind]} LIMIT {REPORTED_MAX}"))
    return [(str(id), detail) for id, detail in rows]


async def positions(connection: AsyncConnection) -> list[tuple[str, str, int, int]]:
    """``(consumer, topic, partition, next offset)`` of every consumer."""
    return [(row[0], row[1], row[2], row[3]) for row in await connection.execute(_POSITIONS)]


async def journal_gaps(
    connection: AsyncConnection, topic: str, partition: int, start: int, until: int
) -> tuple[list[int], list[tuple[int, int]]]:
    """Of an inbox's offsets from ``start`` up to, not including, ``until``: those neither journalled nor parked, and those
    with more than one row in the journal, with their number of rows."""
    where: Mapping[str, Any] = {"topic": topic, "partition": partition, "start": start, "until": until}
    rows, different = (await connection.execute(_JOURNALLED, where)).one()
    missing = [] if different == until - start else [row[0] for row in await connection.execute(_UNJOURNALLED, where)]
    if rows == different:
        return missing, []
    doubled = await connection.execute(_DOUBLED, {**where, "reported": REPORTED_MAX})
    return missing, [(row[0], row[1]) for row in doubled]


async def without_payment(
    connection: AsyncConnection, topic: str, creates: Sequence[tuple[UUID, int, int]]
) -> list[tuple[UUID, int, int]]:
    """Of requests ``(payment id, partition, offset)``, those with neither a payment nor a refusal in the journal."""
    ids, partitions, offsets = zip(*creates, strict=True)
    values = {"topic": topic, "ids": list(ids), "partitions": list(partitions), "offsets": list(offsets)}
    rows = await connection.execute(_UNKNOWN_CREATES, values)
    return [(row[0], row[1], row[2]) for row in rows]


async def versions(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, int]:
    """The version of each of these payments."""
    return {row[0]: row[1] for row in await connection.execute(_VERSIONS, {"ids": list(ids)})}


async def charges(connection: AsyncConnection, provider: str) -> AsyncIterator[Sequence[Charge]]:
    """Every payment at a provider, a chunk at a time."""
    async with connection.stream(_CHARGES, {"provider": provider}) as rows:
        async for chunk in rows.partitions(CHUNK):
            yield [Charge(*row) for row in chunk]


async def operation_hours(connection: AsyncConnection) -> dict[int, tuple[int, int, int]]:
    """Hour of creation (Unix seconds) → operations, their amounts added up, their checksum."""
    return {int(hour): (int(n), int(sum_), int(check)) for hour, n, sum_, check in await connection.execute(_HOURS)}


async def operations_of_hour(connection: AsyncConnection, hour: int) -> dict[UUID, str]:
    """Operation → ``type|status|amount``, of those created in the hour."""
    return {row[0]: row[1] for row in await connection.execute(_OPERATIONS_OF_HOUR, {"hour": hour})}
