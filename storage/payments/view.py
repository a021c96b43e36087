"""Reads for the API: payments as far as their API client may see them."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from billing.payments.model import Payment
from storage.payments.rows import load_payments


async def find_payment(connection: AsyncConnection, client_id: str, payment_id: UUID) -> Payment | None:
    """The payment with all its operations; ``None`` when there is none or it belongs to another API client."""
    payment = (await load_payments(connection, [payment_id])).get(payment_id)
    return payment if payment is not None and payment.client_id == client_id else None
