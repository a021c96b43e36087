"""Failover: a payment moves on to the next provider where the present one certainly does not take it.

A payment leaves only an order that can never be paid: one that the provider declined for good, or that was never sent
to it. After a call with an UNKNOWN outcome the payment stays, since the order may exist. If an abandoned provider
reports money after all, :mod:`billing.payments.abandoned_attempts` refunds it.
"""

from uuid import uuid5

from billing.payments.decision import Draft
from billing.payments.follow_ups import next_follow_up
from billing.payments.model import Operation
from billing.payments.provider_requests import build_request
from billing.vocabulary import Action, OperationStatus, OperationType, Outcome, PaymentStatus


def may_move_on(draft: Draft, operation: Operation) -> bool:
    """Whether another provider is left, the customer still has time to pay, this order has no other operation, and the
    charge is not withdrawn."""
    payment = draft.payment
    return (
        bool(payment.alternatives)
        and payment.withdrawn is None
        and operation.action is Action.CREATE
        and payment.status is PaymentStatus.PENDING
        and payment.standing == (payment.operation(operation.id),)
        and draft.now < payment.expires_at
    )


def never_sent(operation: Operation, outcome: Outcome) -> bool:
    """Whether no call for the operation can have reached its provider: this was the only one, and it was not sent. A
    repeat may have overtaken the first call, which can still arrive."""
    return outcome is Outcome.NOT_SENT and operation.outcome is None and not operation.follow_ups


def move_on(draft: Draft) -> None:
    """Request the next provider: a new AUTHORIZE of the same payment, with its own id and so its own idempotency key."""
    payment = draft.payment
    provider, *others = payment.alternatives
    number = 1 + sum(o.type is OperationType.AUTHORIZE for o in payment.operations)
    id = uuid5(payment.id, f"authorize/{number}")
    draft.update(provider=provider, alternatives=tuple(others), order_ref=str(id), payment_url=None)
    operation = draft.record_operation(
        Operation(
            id=id,
            type=OperationType.AUTHORIZE,
            action=Action.CREATE,
            status=OperationStatus.PENDING,
            amount=payment.order.amount,
            provider=provider,
            created_at=draft.now,
            updated_at=draft.now,
            next_follow_up_at=min(next_follow_up(None, 0, draft.now), payment.expires_at),
        )
    )
    draft.requests.append(build_request(draft.payment, operation, Action.CREATE, draft.waiting))
    draft.waiting = None
