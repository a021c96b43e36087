"""Correct how an operation ended, where a provider's console or statement shows what its API does not."""

from uuid import UUID, uuid4

from backoffice.commands import note, require_understood, send
from backoffice.operators import Operator, recorded
from billing.messages import CorrectPayment, Reply
from billing.messages.topics import INBOX
from runtime.postgres import connected
from runtime.settings import Settings


async def correct(
    settings: Settings, operator: Operator, payment_id: UUID, operation_id: UUID, *, succeeded: bool
) -> Reply | None:
    """Record how an operation really ended. Postings that contradict it are reversed, never erased.

    Returns the payment's reply, which may be a refusal; ``None`` if there is none within 30 s. The command is stored
    in Kafka by then and will be processed.
    """
    command = CorrectPayment(payment_id, uuid4(), operation_id, succeeded, operator.name, operator.reason)
    async with (
        connected(settings) as engine,
        recorded(
            engine,
            operator,
            "correct_operation",
            "payment",
            str(payment_id),
            operation=operation_id,
            succeeded=succeeded,
            correction=command.correction_id,
        ) as record,
    ):
        await require_understood(engine, CorrectPayment)
        reply = await send(settings, INBOX, command, command.correction_id, operator.name, Reply)
        note(record, reply)
    return reply
