"""Brings the ledger up to what statements and discrepancies say, in the caller's transaction."""

from datetime import date, datetime
from typing import Final

from sqlalchemy import ARRAY, Integer, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.clearing.discrepancies import Resolution, State
from billing.clearing.settlement import Unexplained, of_discrepancy, of_statement
from billing.ledger.postings import Cause, CauseKind
from storage.books.settlement import post
from storage.clearing import totals

#: Discrepancies that are posted at once.
PAGE: Final = 2_000
# A line's difference belongs to the line's own day, whenever it was found.
_UNPOSTED = text(
    """
    SELECT id, version, coalesce((detail ->> 'day')::date, business_date), state, resolution, trim(currency), ours, theirs,
           detail ->> 'their_currency'
    FROM discrepancies WHERE provider = :provider AND posted_version IS DISTINCT FROM version
    ORDER BY id LIMIT :limit FOR UPDATE
    """
)
_IS_UNPOSTED = text(
    "SELECT EXISTS (SELECT FROM discrepancies WHERE provider = :provider AND posted_version IS DISTINCT FROM version)"
)
_POSTED = text(
    """
    UPDATE discrepancies d SET posted_version = r.version
    FROM unnest(:ids, :versions) AS r (id, version) WHERE d.id = r.id
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)), bindparam("versions", type_=ARRAY(Integer)))


async def is_unposted(connection: AsyncConnection, provider: str) -> bool:
    """Whether a discrepancy has changed since it was posted."""
    return bool((await connection.execute(_IS_UNPOSTED, {"provider": provider})).scalar_one())


async def post_statement(connection: AsyncConnection, provider: str, day: date, now: datetime) -> int:
    """Post fees, payouts, reserves, adjustments and exchanges of a business day, as its lines are now; returns how many
    postings that took."""
    wanted = of_statement(provider, day, await totals.of_day(connection, provider, day))
    return len(await post(connection, {cause: (day, balances) for cause, balances in wanted.items()}, now))


async def post_discrepancies(connection: AsyncConnection, provider: str, now: datetime) -> int:
    """Post what changed of a provider's discrepancies since it was posted; returns how many of them were looked at, at most
    :data:`PAGE`."""
    rows = (await connection.execute(_UNPOSTED, {"provider": provider, "limit": PAGE})).all()
    wanted = {}
    for id, _, day, state, resolution, *amounts in rows:
        decided = None if resolution is None else Resolution(resolution)
        unexplained = Unexplained(State(state), decided, *amounts)
        wanted[Cause(CauseKind.DISCREPANCY, str(id))] = day, of_discrepancy(provider, unexplained)
    await post(connection, wanted, now)
    if rows:
        await connection.execute(_POSTED, {"ids": [row[0] for row in rows], "versions": [row[1] for row in rows]})
    return len(rows)
