"""The lines of files of refunds: what each asks for, what the dry run found, how it ended."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Integer, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.messages import Refusal
from storage.tables import BULK_ROWS, columns


class RowState(StrEnum):
    """``UNCHECKED``: the dry run has not judged it; ``WAITING``: it will be refunded; ``SENT``: its command is on the way;
    ``REFUSED``: by the dry run or by the payment; ``FAILED``: the provider declined, or the command is a dead letter."""

    UNCHECKED = "unchecked"
    WAITING = "waiting"
    SENT = "sent"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


#: Code of a failed row whose command is a dead letter. It goes on where the letter is replayed.
DEAD_LETTER: Final = "dead_letter"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A line. ``number``: of the line; ``typed``: the amount as it was written, empty for all that is left;
    ``payment_version``, ``amount`` (minor units), ``currency``: by the dry run; ``code``, ``detail``: of a refusal or a
    failure, of a sent row the status of its refund, ``None`` until the payment has decided; ``sent_at``: when Kafka had it,
    ``None`` of a sent row that may not have reached it; ``due_at``: when a row that may go on is looked at next; ``letter``: the
    dead letter of its command, PARTITION-OFFSET."""

    job: UUID
    number: int
    operation_id: UUID
    payment_id: UUID | None
    typed: str
    reason: str
    state: RowState
    payment_version: int | None = None
    amount: int | None = None
    currency: str | None = None
    code: str | None = None
    detail: str | None = None
    sent_at: datetime | None = None
    due_at: datetime | None = None
    letter: str | None = None


class Tally(NamedTuple):
    """Rows that are alike, and the sum of their amounts, minor units; ``None`` where the dry run has none. ``was_sent``:
    their payments were told."""

    state: RowState
    was_sent: bool
    code: str | None
    currency: str | None
    rows: int
    amount: int | None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the dry run says of a row, or how a row ended."""

    number: int
    state: RowState
    code: str | None = None
    detail: str | None = None
    payment_version: int | None = None
    amount: int | None = None
    currency: str | None = None
    letter: str | None = None


class DeadLetter(NamedTuple):
    """The latest dead letter of a row's command. ``place``: PARTITION-OFFSET; ``replayed``: a person sent it again."""

    place: str
    cause: str
    replayed: bool


class Told(NamedTuple):
    """What is on record of a row that was sent. ``status``, ``reason``: of its refund, ``None`` where the payment has made
    none; ``refusal``: why not, ``None`` where it has not decided; ``letter``: ``None`` where its command is none."""

    row: Row
    status: str | None
    reason: str | None
    refusal: Refusal | None
    letter: DeadLetter | None


_COLUMNS: Final = columns(BULK_ROWS)
_INTS: Final = ARRAY(Integer)
_ADD = text(f"INSERT INTO bulk_rows ({_COLUMNS}) VALUES ({columns(BULK_ROWS, prefix=':')})")  # noqa: S608 - of constants
_TALLIES = text(
    """
    SELECT state, sent_at IS NOT NULL, code, currency, count(*), sum(amount)::bigint FROM bulk_rows WHERE job = :job
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    """
)
_LATELY = text("SELECT count(*) FROM bulk_rows WHERE job = :job AND sent_at > now() - interval '1 minute'")
_PAGE = text(
    f"""
    SELECT {_COLUMNS} FROM bulk_rows
    WHERE job = :job AND number > :after AND (CAST(:state AS text) IS NULL OR state = :state)
    ORDER BY number LIMIT :limit
    """  # noqa: S608 - of constants
)
_UNCHECK = text(
    """
    UPDATE bulk_rows SET state = 'unchecked', payment_version = NULL, amount = NULL, currency = NULL, code = NULL,
                         detail = NULL
    WHERE job = :job AND state IN ('waiting', 'refused') AND (code IS NULL OR NOT code = ANY(:kept))
    """
).bindparams(bindparam("kept", type_=ARRAY(Text)))
_JUDGE = text(
    """
    UPDATE bulk_rows SET state = :state, code = :code, detail = :detail, payment_version = :payment_version,
                         amount = :amount, currency = :currency
    WHERE job = :job AND number = :number AND state = 'unchecked'
    """
)
_ELSEWHERE = text(
    """
    SELECT r.payment_id, r.job FROM bulk_rows r JOIN bulk_jobs j ON j.id = r.job
    WHERE r.payment_id = ANY(:payments) AND r.job <> :job
      AND (r.state = 'sent' OR r.state = 'waiting' AND j.state <> 'stopped')
    """
).bindparams(bindparam("payments", type_=ARRAY(Uuid)))
_REFUNDED = text(
    """
    SELECT count(*) FROM bulk_rows r
    WHERE r.job = :job AND r.state = 'waiting'
      AND EXISTS (SELECT FROM bulk_rows d WHERE d.payment_id = r.payment_id AND d.job <> r.job AND d.state = 'done')
    """
)
_CHANGED = text(
    """
    SELECT count(*) FROM bulk_rows r JOIN payments p ON p.id = r.payment_id
    WHERE r.job = :job AND r.state = 'waiting' AND p.version <> r.payment_version
    """
)
# The first look comes soon; later ones at a quarter of the row's age, so that what a bank takes days for costs little.
# A payment decides at once: until it has, looks are close together. A dead letter may be replayed at any time.
_TAKE = text(
    f"""
    UPDATE bulk_rows SET state = 'sent'
    WHERE job = :job AND state = 'waiting' AND number IN (
        SELECT number FROM bulk_rows WHERE job = :job AND state = 'waiting' ORDER BY number LIMIT :limit
    )
    RETURNING {_COLUMNS}
    """  # noqa: S608 - of constants
)
_TAKEN = text(
    f"SELECT {_COLUMNS} FROM bulk_rows WHERE state = 'sent' AND due_at IS NULL ORDER BY job, number LIMIT :limit"  # noqa: S608
)
_SENT = text(
    """
    UPDATE bulk_rows SET sent_at = now(), due_at = now() + interval '1 second'
    WHERE job = :job AND number = ANY(:numbers) AND state = 'sent' AND due_at IS NULL
    """
).bindparams(bindparam("numbers", type_=_INTS))
_UNDECIDED = text("SELECT count(*) FROM bulk_rows WHERE state = 'sent' AND code IS NULL")
_TOLD = text(
    f"""
    SELECT {columns(BULK_ROWS, prefix="r.")}, o.status AS status, o.reason AS outcome,
           l.dead_partition || '-' || l.dead_offset AS place, l.cause AS cause, s.action = 'replayed' AS replayed
    FROM (
        (SELECT * FROM bulk_rows WHERE state = 'sent' AND due_at <= now() ORDER BY due_at LIMIT :limit)
        UNION ALL
        (SELECT * FROM bulk_rows WHERE code = 'dead_letter' AND due_at <= now() ORDER BY due_at LIMIT :limit)
    ) r
    LEFT JOIN operations o ON o.id = r.operation_id AND o.payment_id = r.payment_id
    LEFT JOIN LATERAL (
        SELECT dead_partition, dead_offset, cause FROM dead_letters
        WHERE message_id = r.operation_id::text AND topic = 'billing.payments.inbox'
        ORDER BY buried_at DESC, dead_offset DESC LIMIT 1
    ) l ON o.id IS NULL
    LEFT JOIN dead_letter_resolutions s ON s.dead_partition = l.dead_partition AND s.dead_offset = l.dead_offset
    """  # noqa: S608 - of constants
)
_REFUSALS = text(
    """
    SELECT message_id, refusal::text FROM journal
    WHERE topic = 'billing.payments.inbox' AND payment_id = ANY(:payments) AND message_id = ANY(:ids)
      AND refusal IS NOT NULL
    """
).bindparams(bindparam("payments", type_=ARRAY(Uuid)), bindparam("ids", type_=ARRAY(Text)))
_END = text(
    """
    UPDATE bulk_rows
    SET state = :state, code = :code, detail = :detail, letter = :letter,
        due_at = CASE WHEN :state = 'sent' OR :code = 'dead_letter'
                      THEN now() + least(CASE WHEN :code IS NULL THEN interval '10 seconds'
                                              WHEN :code = 'dead_letter' THEN interval '1 minute'
                                              ELSE interval '1 hour' END,
                                         greatest(interval '1 second', (now() - sent_at) / 4)) END
    WHERE job = :job AND number = :number AND (state = 'sent' OR code = 'dead_letter')
    """
).bindparams(bindparam("state", type_=Text), bindparam("code", type_=Text))
_OPEN = text("SELECT EXISTS (SELECT FROM bulk_rows WHERE job = :job AND state = ANY('{unchecked,waiting,sent}'))")


async def add(connection: AsyncConnection, rows: Iterable[Row]) -> None:
    """Record the lines of a new job in the caller's transaction."""
    await connection.execute(_ADD, [msgspec.structs.asdict(row) for row in rows])


async def tallies(connection: AsyncConnection, job: UUID) -> list[Tally]:
    """All rows of a job, counted by what they have in common."""
    found = await connection.execute(_TALLIES, {"job": job})
    return [Tally(RowState(state), *rest) for state, *rest in found]


async def sent_lately(connection: AsyncConnection, job: UUID) -> int:
    """How many rows of a job were sent within the last minute."""
    return int((await connection.execute(_LATELY, {"job": job})).scalar_one())


async def page(
    connection: AsyncConnection, job: UUID, after: int, limit: int, state: RowState | None = None
) -> list[Row]:
    """Rows in the order of the file: those after the line ``after``, in one state."""
    values = {"job": job, "after": after, "limit": limit, "state": None if state is None else state.value}
    return [msgspec.convert(dict(row), Row) for row in (await connection.execute(_PAGE, values)).mappings()]


async def uncheck(connection: AsyncConnection, job: UUID, kept: Collection[str]) -> None:
    """Have the dry run made again, in the caller's transaction. ``kept``: codes of refusals that the file itself causes."""
    await connection.execute(_UNCHECK, {"job": job, "kept": list(kept)})


async def judge(connection: AsyncConnection, job: UUID, verdicts: Sequence[Verdict]) -> None:
    """Record what the dry run found."""
    await connection.execute(_JUDGE, [msgspec.structs.asdict(verdict) | {"job": job} for verdict in verdicts])


async def elsewhere(connection: AsyncConnection, job: UUID, payments: Iterable[UUID]) -> dict[UUID, UUID]:
    """Payment → another job that has it, and has not refunded it yet; also a stopped one, of what it sent."""
    found = await connection.execute(_ELSEWHERE, {"payments": list(payments), "job": job})
    return {row.payment_id: row.job for row in found}


async def changed(connection: AsyncConnection, job: UUID) -> int:
    """How many rows wait whose payment has changed since the dry run: they will be refused."""
    return int((await connection.execute(_CHANGED, {"job": job})).scalar_one())


async def refunded_before(connection: AsyncConnection, job: UUID) -> int:
    """How many rows wait whose payment another job refunded, in part at least."""
    return int((await connection.execute(_REFUNDED, {"job": job})).scalar_one())


async def take(connection: AsyncConnection, job: UUID, limit: int) -> list[Row]:
    """The next rows that wait, from now on sent: who holds the job takes them in the same transaction, and sends them after
    it. One that dies in between leaves them to :func:`taken`."""
    found = (await connection.execute(_TAKE, {"job": job, "limit": limit})).mappings()
    return sorted((msgspec.convert(dict(row), Row) for row in found), key=lambda row: row.number)


async def taken(connection: AsyncConnection, limit: int) -> list[Row]:
    """Rows of all jobs that were taken and that Kafka may not have."""
    return [msgspec.convert(dict(row), Row) for row in (await connection.execute(_TAKEN, {"limit": limit})).mappings()]


async def mark_sent(connection: AsyncConnection, job: UUID, numbers: Sequence[int]) -> None:
    """Kafka has the commands of these rows."""
    await connection.execute(_SENT, {"job": job, "numbers": list(numbers)})


async def undecided(connection: AsyncConnection) -> int:
    """How many rows of all jobs are sent, and their payments have not decided as far as was looked."""
    return int((await connection.execute(_UNDECIDED)).scalar_one())


async def told(connection: AsyncConnection, limit: int) -> list[Told]:
    """What is on record of the rows that are to be looked at: sent ones, and those whose command is a dead letter."""
    found = (await connection.execute(_TOLD, {"limit": limit})).mappings().all()
    rows = [(_row(one), one["status"], one["outcome"], _letter(one)) for one in found]
    unknown = [row for row, status, *_ in rows if status is None]
    refusals: dict[str, Refusal] = {}
    if unknown:
        values = {"payments": [r.payment_id for r in unknown], "ids": [str(r.operation_id) for r in unknown]}
        for id, refusal in await connection.execute(_REFUSALS, values):
            refusals[id] = msgspec.json.decode(refusal, type=Refusal)
    return [
        Told(row, status, reason, refusals.get(str(row.operation_id)), letter) for row, status, reason, letter in rows
    ]


async def end(connection: AsyncConnection, job: UUID, verdicts: Sequence[Verdict]) -> None:
    """Record how rows that were sent ended, or what is known of them so far."""
    await connection.execute(_END, [_values(job, verdict) for verdict in verdicts])


async def is_open(connection: AsyncConnection, job: UUID) -> bool:
    """Whether a row of the job has not ended."""
    return bool((await connection.execute(_OPEN, {"job": job})).scalar_one())


def _row(values: Mapping[Any, Any]) -> Row:
    names = BULK_ROWS.columns.keys()
    return msgspec.convert({str(name): values[name] for name in names}, Row)


def _letter(values: Mapping[Any, Any]) -> DeadLetter | None:
    return None if values["place"] is None else DeadLetter(values["place"], values["cause"], bool(values["replayed"]))


def _values(job: UUID, verdict: Verdict) -> dict[str, Any]:
    return {
        "job": job,
        "number": verdict.number,
        "state": verdict.state.value,
        "code": verdict.code,
        "detail": verdict.detail,
        "letter": verdict.letter,
    }
