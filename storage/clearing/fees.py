"""Fees of charges that are not those of the contract."""

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, BigInteger, Date, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

# A fee whose discrepancy is open is looked at whether it differs or not.
_FEES = text(
    """
    WITH tariffs AS (
        SELECT * FROM unnest(:methods, :basis_points, :fixed) AS t (method, basis_points, fixed)
    ), expected AS (
        SELECT l.business_date, l.line_ref, l.occurrence, l.payment_id,
               trim(coalesce(l.settlement_currency, l.currency)) AS currency, l.fee,
               div(coalesce(l.settled, l.amount)::numeric * t.basis_points + 5000, 10000)::bigint + t.fixed AS expected
        FROM statement_lines l
        JOIN tariffs t ON t.method = CASE WHEN l.method IN (SELECT method FROM tariffs) THEN l.method ELSE '*' END
        WHERE l.provider = :provider AND l.business_date = ANY(:days) AND l.kind = 'charge' AND l.fee IS NOT NULL
          AND l.withdrawn_at IS NULL
    )
    SELECT e.*, abs(fee - expected) > 1 FROM expected e
    WHERE abs(fee - expected) > 1 OR EXISTS (
        SELECT FROM discrepancies d
        WHERE d.provider = :provider AND d.state <> 'CLOSED'
          AND d.subject = 'fee:' || e.business_date || ':' || e.line_ref || '#' || e.occurrence
    )
    ORDER BY 1, 2, 3
    """
).bindparams(
    bindparam("methods", type_=ARRAY(Text)),
    bindparam("basis_points", type_=ARRAY(BigInteger)),
    bindparam("fixed", type_=ARRAY(BigInteger)),
    bindparam("days", type_=ARRAY(Date)),
)


class Fee(msgspec.Struct, frozen=True):
    """A charge's fee. ``fee``: what the provider kept, ``expected``: by the contract, both minor units of ``currency``."""

    day: date
    line_ref: str
    occurrence: int
    payment_id: UUID | None
    currency: str
    fee: int
    expected: int
    differs: bool


async def fees_apart(
    connection: AsyncConnection, provider: str, days: Sequence[date], tariffs: Mapping[str, tuple[int, int]]
) -> list[Fee]:
    """The fees of these business days that differ from the contract, and those of open discrepancies. ``tariffs``: method →
    basis points, and minor units beside them."""
    if not tariffs:
        return []
    values = {
        "provider": provider,
        "days": list(days),
        "methods": list(tariffs),
        "basis_points": [basis_points for basis_points, _ in tariffs.values()],
        "fixed": [fixed for _, fixed in tariffs.values()],
    }
    return [Fee(*row) for row in await connection.execute(_FEES, values)]
