"""Commands that were refused when their turn came, found in the journal for those who did not wait."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from billing.messages import CreatePayment, Message, Refusal, decode_envelope
from storage.journal.replay import Recorded, Unreplayable, replay
from storage.journal.timeline import journal_of


async def find_refusal(
    connection: AsyncConnection, client_id: str, payment_id: UUID, operation_id: UUID | None
) -> Refusal | None:
    """Why the command that was to make this operation, or with ``None`` the client's payment, was refused; ``None``
    where no such command came, or it was not."""
    return refusal_in(await journal_of(connection, payment_id), client_id, operation_id)


def refusal_in(journal: Sequence[Recorded], client_id: str, operation_id: UUID | None) -> Refusal | None:
    """The same of a payment's whole journal. The last word counts: what was refused may be accepted later."""
    found = None
    try:
        for recorded, decision in zip(journal, replay(journal), strict=True):
            message = decode_envelope(recorded.message.encode()).open()
            if _asks(message, client_id, operation_id):
                found = None if decision.reply is None else decision.reply.refusal
    except Unreplayable:
        return found  # the rules have changed since: what was said then cannot be worked out again
    return found


def _asks(message: Message, client_id: str, operation_id: UUID | None) -> bool:
    if operation_id is None:
        return isinstance(message, CreatePayment) and message.client_id == client_id
    return getattr(message, "operation_id", None) == operation_id and hasattr(message, "fingerprint")
