"""The method that a payment lets us charge again, and the end of one that can no longer be charged."""

from datetime import date, datetime
from typing import Final
from uuid import UUID

import msgspec

from billing.payments.model import Payment
from billing.reasons import Reason
from billing.subscriptions.methods import last_day, method_id
from billing.vocabulary import OperationStatus, OperationType

#: Declines after which the method is never charged again, whatever the payment.
_DEADLY: Final = frozenset({Reason.METHOD_REVOKED, Reason.FRAUD_SUSPECTED})


class MethodSaved(msgspec.Struct, frozen=True):
    """A method that a payment saved. ``expires_on``: its last day; ``created_at``: when the payment was opened, ``at``:
    when it saved the method (UTC)."""

    id: UUID
    client_id: str
    customer_id: str
    provider: str
    method_ref: str
    title: str | None
    expires_on: date | None
    created_at: datetime
    at: datetime
    payment_id: UUID


class MethodDied(msgspec.Struct, frozen=True):
    """The bank or the provider will not charge the method any more, for ``reason``. ``at``: UTC."""

    id: UUID
    provider: str
    reason: str
    at: datetime


def method_saved(before: Payment | None, after: Payment) -> MethodSaved | None:
    """The method that a decision saved: the customer has paid, and the provider has told its name of the method."""
    if not _has_saved(after) or (before is not None and _has_saved(before)):
        return None
    assert after.method_ref is not None
    customer_id = after.order.customer_id
    return MethodSaved(
        id=method_id(after.provider, customer_id, after.method_ref),
        client_id=after.client_id,
        customer_id=customer_id,
        provider=after.provider,
        method_ref=after.method_ref,
        title=after.method_title,
        expires_on=last_day(after.method_expires),
        created_at=after.created_at,
        at=after.updated_at,
        payment_id=after.id,
    )


def method_died(before: Payment | None, after: Payment) -> MethodDied | None:
    """The method whose charge a decision recorded as declined for good."""
    charge, ref = after.charge, after.saved_method
    if charge.type is not OperationType.RECURRING or charge.status is not OperationStatus.FAIL or ref is None:
        return None
    if before is not None and before.charge.status is OperationStatus.FAIL:
        return None
    if charge.reason is None or Reason.of(charge.reason) not in _DEADLY:
        return None
    id = method_id(after.provider, after.order.customer_id, ref)
    return MethodDied(id, after.provider, charge.reason, after.updated_at)


def _has_saved(payment: Payment) -> bool:
    return payment.save_method and payment.method_ref is not None and payment.authorized > 0
