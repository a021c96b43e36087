"""Finds what is stuck, one question per rule, each by a partial index of what is not final."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.clearing import stuck as rules
from billing.clearing.stuck import Rule

#: Found by one rule at a time, the oldest first.
LIMIT: Final = 500
NO_GRACES: Final[Mapping[str, timedelta]] = MappingProxyType({})

_PAYMENT = "p.provider, p.id AS payment_id, o.id::text AS subject, {since} AS since, o.amount, p.currency"
_OPERATION = "o.provider, p.id AS payment_id, o.id::text AS subject, o.created_at AS since, o.amount, p.currency"
#: Open operations have a time at which they are asked about: the index of those times holds them.
_OPEN = """
    FROM operations o JOIN payments p ON p.id = o.payment_id
    WHERE o.next_chase_at IS NOT NULL AND o.status IN ('PENDING', 'UNKNOWN')
"""
_SENT = "o.outcome IS DISTINCT FROM 'NOT_SENT'"
_AT_PRESENT = f"{_OPEN} AND o.provider = p.provider AND {_SENT}"
# A question by the schedule is at most a day ahead: a later one is the end of the hold by the provider's word.
_HOLDS = f"""
    SELECT {
    _PAYMENT.format(
        since='''greatest(p.created_at + make_interval(secs => p.hold_s),
                                     CASE WHEN o.next_chase_at > CAST(:now AS timestamptz) + interval '1 day'
                                          THEN o.next_chase_at END)'''
    )
}
    FROM payments p JOIN operations o ON o.payment_id = p.id
    WHERE p.status = 'AUTHORIZED' AND p.capture_mode = 'TWO_STAGE'
      AND o.type = 'AUTHORIZE' AND o.status = 'SUCCESS' AND o.provider = p.provider
      AND NOT EXISTS (SELECT FROM operations c WHERE c.payment_id = p.id AND c.provider = p.provider
                      AND c.type IN ('CAPTURE', 'VOID') AND c.status IN ('PENDING', 'UNKNOWN'))
"""  # noqa: S608 - of constants

#: Rule → what it is about, stuck or not: provider, payment, subject, the moment from which its age counts, amount in
#: minor units, currency.
_CANDIDATES: Final[dict[str, str]] = {
    rules.UNPAID.name: f"""
        SELECT {_PAYMENT.format(since="p.expires_at")}
        FROM payments p JOIN operations o ON o.payment_id = p.id
        WHERE p.status = 'PENDING' AND o.provider = p.provider AND o.type IN ('AUTHORIZE', 'RECURRING')
          AND o.status = 'PENDING' AND {_SENT}
    """,  # noqa: S608 - of constants
    rules.UNKNOWN.name: f"""
        SELECT {_OPERATION} {_AT_PRESENT} AND o.status = 'UNKNOWN' AND o.type IN ('AUTHORIZE', 'RECURRING')
    """,
    rules.NOT_SENT.name: f"""
        SELECT {_OPERATION} {_OPEN} AND o.outcome = 'NOT_SENT'
          AND coalesce((SELECT s.enabled FROM provider_switches s WHERE s.provider = o.provider
                        ORDER BY s.id DESC LIMIT 1), true)
    """,  # noqa: S608 - of constants
    rules.CAPTURE_FOLLOWS.name: f"""
        SELECT {_PAYMENT.format(since="coalesce(o.occurred_at, p.expires_at)")}
        FROM payments p JOIN operations o ON o.payment_id = p.id
        WHERE p.status = 'AUTHORIZED' AND p.capture_mode = 'ONE_STAGE' AND o.provider = p.provider
          AND o.type = 'AUTHORIZE' AND o.status = 'SUCCESS'
    """,  # noqa: S608 - of constants
    rules.HOLD_ENDING.name: _HOLDS,
    rules.HOLD_OVER.name: _HOLDS,
    rules.CAPTURE_OPEN.name: f"SELECT {_OPERATION} {_AT_PRESENT} AND o.type = 'CAPTURE'",
    rules.VOID_OPEN.name: f"SELECT {_OPERATION} {_AT_PRESENT} AND o.type = 'VOID'",
    rules.REFUND_OPEN.name: f"SELECT {_OPERATION} {_AT_PRESENT} AND o.type = 'REFUND'",
    rules.LEFT_BEHIND.name: f"SELECT {_OPERATION} {_OPEN} AND o.provider <> p.provider AND {_SENT}",
    rules.PARKED_CALLBACK.name: """
        SELECT provider, CAST(NULL AS uuid) AS payment_id, id AS subject, received_at AS since,
               CAST(NULL AS bigint) AS amount, CAST(NULL AS char(3)) AS currency
        FROM parked_callbacks
    """,
}
#: Rule → the question that finds what is stuck by it.
QUESTIONS: Final = {
    name: text(
        f"""
        SELECT provider, payment_id, subject, since, amount, currency FROM ({candidates}) AS c
        WHERE CAST(:now AS timestamptz) - since >= make_interval(
                  secs => coalesce(CAST(CAST(:grace_at AS jsonb) ->> provider AS float8), :grace))
          AND (CAST(:until AS float8) IS NULL
               OR CAST(:now AS timestamptz) - since < make_interval(secs => CAST(:until AS float8)))
        ORDER BY since, subject LIMIT :limit
        """  # noqa: S608 - of constants
    )
    for name, candidates in _CANDIDATES.items()
}


class Stuck(NamedTuple):
    """Something that is stuck. ``subject``: the id of the operation, or of the callback, which has no payment; ``since``:
    from when its age counts (UTC); ``amount``: minor units."""

    provider: str
    payment_id: UUID | None
    subject: str
    since: datetime
    amount: int | None
    currency: str | None


async def find_stuck(
    connection: AsyncConnection,
    rule: Rule,
    now: datetime,
    graces: Mapping[str, timedelta] = NO_GRACES,
    limit: int = LIMIT,
) -> list[Stuck]:
    """What is stuck by ``rule`` at ``now`` (UTC), the oldest first, at most ``limit``. ``graces``: provider → its own age at
    which something is stuck by this rule."""
    values = {
        "now": now,
        "grace": rule.grace.total_seconds(),
        "grace_at": msgspec.json.encode(
            {provider: grace.total_seconds() for provider, grace in graces.items()}
        ).decode(),
        "until": None if rule.until is None else rule.until.total_seconds(),
        "limit": limit,
    }
    return [Stuck(*row) for row in await connection.execute(QUESTIONS[rule.name], values)]
