"""Records for the audit: a consistent payment, and ways to damage it past every constraint."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.messages import Envelope, Message
from billing.messages.topics import INBOX
from billing.payments.decide import RULES, decide
from billing.payments.model import Payment
from billing.vocabulary import PaymentStatus
from storage.journal.records import JournalRow
from storage.payments.save import Changes, save
from storage.streams.positions import Move, load
from tests.support.factories import NOW, a_create, a_payment, opened, told

PARTITION = 0


async def captured(engine: AsyncEngine, start: int = 0) -> Payment:
    """A captured payment whose three messages are at offsets ``start`` to ``start + 2`` of the inbox."""
    create = a_create()
    first = a_payment(payment_id=create.payment_id, order=create.order)
    return await recorded(engine, [create, opened(first), told(first, PaymentStatus.CAPTURED)], start)


async def recorded(engine: AsyncEngine, messages: Sequence[Message], start: int = 0) -> Payment:
    """The payment after these messages, which are at offsets from ``start`` of the inbox."""
    payment: Payment | None = None
    postings, journal = [], []
    for offset, message in enumerate(messages, start):
        decision = decide(payment, message, NOW)
        payment = decision.payment
        assert payment is not None
        postings += decision.postings
        journal.append(row(message, offset, payment.version))
    assert payment is not None
    changes = Changes(
        created=[payment],
        payments=[payment],
        operations=[(payment, operation) for operation in payment.operations],
        postings=[(payment, posting) for posting in postings],
        journal=journal,
    )
    async with engine.begin() as connection:
        await load(connection, "payments", INBOX.name, [PARTITION])
        end = start + len(messages)
        await save(connection, changes, [Move("payments", INBOX.name, PARTITION, start, end, end)])
    return payment


def row(message: Message, offset: int, version: int | None) -> JournalRow:
    envelope = Envelope.wrap(message, id=f"m-{offset}", source="/test", subject=str(message.payment_id), time=NOW)
    return JournalRow(
        recorded_at=NOW.isoformat(),
        topic=INBOX.name,
        stream_partition=PARTITION,
        stream_offset=offset,
        payment_id=message.payment_id,
        version=version,
        message_id=envelope.id,
        type=envelope.type,
        actor=None,
        message=msgspec.Raw(envelope.encode()),
        outputs=msgspec.Raw(b"[]"),
        rules=RULES,
    )


async def damage(engine: AsyncEngine, *statements: str, **parameters: Any) -> None:
    """Change rows with triggers and foreign keys off and without the checks of ``payments``."""
    async with engine.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        for constraint in (
            "authorized_within_amount", "captured_within_authorized", "refunded_within_captured",
            "returned_within_captured",
        ):  # fmt: skip
            await connection.execute(text(f"ALTER TABLE payments DROP CONSTRAINT IF EXISTS {constraint}"))
        for statement in statements:
            used = {name: value for name, value in parameters.items() if f":{name}" in statement}
            await connection.execute(text(statement), used)
