"""Reads for the API: a payment as its client may see it."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from billing.decision import view
from billing.messages import PaymentChanged
from storage.payments import load_payments


async def find_payment(connection: AsyncConnection, client_id: str, payment_id: UUID) -> PaymentChanged | None:
    """The payment with all its operations; ``None`` when there is none or it belongs to another API client."""
    payment = (await load_payments(connection, [payment_id])).get(payment_id)
    if payment is None or payment.client_id != client_id:
        return None
    return view(payment, payment.operations)
