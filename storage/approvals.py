"""What waits for a second person (commands, bulk jobs, ends of discrepancies): asked for, decided, sent. Neither what was asked for nor
the decision ever changes."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

APPROVED: Final = "approved"
REFUSED: Final = "refused"
#: Requests that a page shows.
SHOWN: Final = 100


#: The action of a request that is of a bulk job.
BULK: Final = "bulk"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A command that somebody asks for, of one subject: a payment, a subscription, a discrepancy, or a bulk job, whose rows
    are the commands. ``type``, ``command``: of the message, exactly as it will be sent but for its approval; ``preview``: what
    it would do, as JSON, when it was asked for; ``amount``: minor units, where it moves money; ``cause``: why one person is
    not enough. Times are UTC."""

    id: UUID
    action: str
    payment_id: UUID | None = None
    payment_version: int | None = None
    type: str
    command: bytes
    preview: bytes
    amount: int | None
    currency: str | None
    cause: str
    requested_by: str
    reason: str
    requested_at: datetime
    expires_at: datetime
    bulk_job: UUID | None = None
    subscription_id: UUID | None = None
    discrepancy_id: UUID | None = None

    @property
    def subject_id(self) -> UUID:
        """The id of what it is about."""
        found = self.payment_id or self.bulk_job or self.subscription_id or self.discrepancy_id
        assert found is not None, "a constraint of the table"
        return found


class Approval(Request, frozen=True, kw_only=True):
    """A request and what was decided about it. ``sent_at``: Kafka has the command; ``None`` where the process died before,
    and it can be sent again: it is the same command."""

    decided_by: str | None
    decided_at: datetime | None
    decision: str | None
    decision_reason: str | None
    sent_at: datetime | None

    def state(self, now: datetime) -> str:
        """In one word."""
        if self.decision is not None:
            return "not sent" if self.decision == APPROVED and self.sent_at is None else self.decision
        return "expired" if self.expires_at <= now else "waiting"


_COLUMNS: Final = ", ".join(field.name for field in msgspec.structs.fields(Approval))
_FIELDS: Final = [field.name for field in msgspec.structs.fields(Request)]
# A double click asks once: the request's id is the command's.
_ADD = text(
    f"INSERT INTO approvals ({', '.join(_FIELDS)}) VALUES ({', '.join(f':{name}' for name in _FIELDS)})"  # noqa: S608
    " ON CONFLICT (id) DO NOTHING RETURNING id"
)
_FIND = text(f"SELECT {_COLUMNS} FROM approvals WHERE id = :id")  # noqa: S608 - of constants
_OPEN = text(
    f"""
    SELECT {_COLUMNS} FROM approvals
    WHERE sent_at IS NULL AND (decision IS NULL AND expires_at > :now OR decision = 'approved')
    ORDER BY requested_at LIMIT :limit
    """  # noqa: S608 - of constants
)
_ABOUT = text(
    f"""
    SELECT {_COLUMNS} FROM approvals WHERE payment_id = :id OR subscription_id = :id OR discrepancy_id = :id
    ORDER BY requested_at DESC LIMIT :limit
    """  # noqa: S608 - of constants
)
_DECIDE = text(
    """
    UPDATE approvals SET decision = :decision, decided_by = :by, decided_at = :now, decision_reason = :reason
    WHERE id = :id AND decision IS NULL AND expires_at > :now AND (requested_by <> :by OR :decision = 'refused')
    RETURNING id
    """
)
_SENT = text("UPDATE approvals SET sent_at = :now WHERE id = :id AND decision = 'approved' AND sent_at IS NULL")
_GIVEN_BACK = text(
    """
    SELECT coalesce(sum(amount), 0) FROM (
        SELECT DISTINCT ON (detail ->> 'message') (detail ->> 'amount')::bigint AS amount
        FROM staff_trail
        WHERE staff_id = :staff AND kind = 'command' AND at > :since
          AND detail ->> 'currency' = :currency AND detail ->> 'gives_back' = 'true'
    ) commands
    """
)


async def ask(connection: AsyncConnection, request: Request) -> bool:
    """Record a request in the caller's transaction; ``False`` where it is recorded already."""
    return (await connection.execute(_ADD, msgspec.structs.asdict(request))).scalar() is not None


async def find(connection: AsyncConnection, id: UUID) -> Approval | None:
    """The request with this id."""
    row = (await connection.execute(_FIND, {"id": id})).mappings().one_or_none()
    return None if row is None else Approval(**row)


async def open_requests(connection: AsyncConnection, now: datetime) -> list[Approval]:
    """What waits for a decision or, approved, for its way to Kafka; the longest waiting first."""
    rows = (await connection.execute(_OPEN, {"now": now, "limit": SHOWN})).mappings()
    return [Approval(**row) for row in rows]


async def about(connection: AsyncConnection, id: UUID) -> list[Approval]:
    """The requests about a payment, a subscription or a discrepancy, the newest first."""
    rows = (await connection.execute(_ABOUT, {"id": id, "limit": SHOWN})).mappings()
    return [Approval(**row) for row in rows]


async def decide(connection: AsyncConnection, id: UUID, decision: str, by: str, reason: str, now: datetime) -> bool:
    """Decide in the caller's transaction. ``False`` where it is decided or expired, or would be one's own approval."""
    values = {"id": id, "decision": decision, "by": by, "reason": reason, "now": now}
    return (await connection.execute(_DECIDE, values)).scalar() is not None


async def mark_sent(connection: AsyncConnection, id: UUID, now: datetime) -> None:
    """Kafka has the approved command; or, of what is no message, it is carried out."""
    await connection.execute(_SENT, {"id": id, "now": now})


async def given_back(connection: AsyncConnection, staff_id: UUID, currency: str, since: datetime) -> int:
    """Minor units of ``currency`` that the person's commands gave back since then, by the trail."""
    values = {"staff": staff_id, "currency": currency, "since": since}
    return int((await connection.execute(_GIVEN_BACK, values)).scalar_one())
