"""``decide``: what follows from one message to one payment. A pure function."""

from datetime import datetime, timedelta
from functools import singledispatch
from uuid import UUID, uuid5

import msgspec

from billing.chase import next_chase
from billing.decision import Decision, Draft, answer, refuse
from billing.errors import InvalidCart, InvalidMessage, InvalidMoney
from billing.messages import (
    ChaseOperation,
    CreatePayment,
    Message,
    Observation,
    ProviderCallback,
    ProviderRequest,
    ProviderResult,
)
from billing.observe import apply_observation
from billing.payment import Operation, Payment
from billing.transitions import Fact
from billing.vocabulary import Action, OperationStatus, OperationType, Outcome, PaymentStatus


def decide(payment: Payment | None, message: Message, now: datetime) -> Decision:
    """Apply ``message`` to ``payment`` (``None``: not known) at ``now`` (UTC).

    Repeats and late arrivals converge: what is already known changes nothing. Raises
    :class:`~billing.errors.InvalidMessage` for a message that can never be applied and
    :class:`~billing.errors.InvariantBroken` rather than let money be wrong.
    """
    return _decide(message, payment, now)


@singledispatch
def _decide(message: Message, payment: Payment | None, now: datetime) -> Decision:  # noqa: ARG001
    raise InvalidMessage(f"{message.TYPE} is not a message to a payment")


@_decide.register
def _create(message: CreatePayment, payment: Payment | None, now: datetime) -> Decision:
    if payment is not None:
        if payment.fingerprint != message.fingerprint:
            return refuse(
                payment,
                payment.id,
                "idempotency_key_reused",
                "this Idempotency-Key was used before with another body",
                message.reply_to,
            )
        reply = answer(payment, message.reply_to)
        return Decision(payment, reply=reply, reply_partition=message.reply_to.partition if message.reply_to else 0)
    try:
        message.order.check()
    except (InvalidCart, InvalidMoney) as error:
        return refuse(None, message.payment_id, "invalid_order", str(error), message.reply_to)
    authorize_id = uuid5(message.payment_id, "authorize/1")
    draft = Draft(
        Payment(
            id=message.payment_id,
            client_id=message.client_id,
            fingerprint=message.fingerprint,
            order=message.order,
            provider=message.provider,
            capture_mode=message.capture_mode,
            status=PaymentStatus.PENDING,
            version=1,
            order_ref=str(authorize_id),
            created_at=now,
            updated_at=now,
            expires_at=now + timedelta(seconds=message.payment_ttl_s),
        ),
        now,
        created=True,
    )
    operation = draft.put(
        Operation(
            id=authorize_id,
            type=OperationType.AUTHORIZE,
            status=OperationStatus.PENDING,
            amount=message.order.amount,
            created_at=now,
            updated_at=now,
            next_chase_at=next_chase(None, 0, now),
        )
    )
    request = _request(draft.payment, operation, Action.CREATE)
    draft.requests.append(msgspec.structs.replace(request, reply_to=message.reply_to))
    # Who waits is answered when the provider has: a payment without its URL is of no use to a checkout.
    return draft.decide()


@_decide.register
def _result(message: ProviderResult, payment: Payment | None, now: datetime) -> Decision:
    payment = _known(payment, message.payment_id)
    operation = payment.operation(message.operation_id)
    if operation is None:
        raise InvalidMessage(f"{payment.id}: a result for the unknown operation {message.operation_id}")
    draft = Draft(payment, now)
    if message.action is Action.INQUIRE:
        _note_inquiry(draft, operation, message)
    elif operation.is_open:
        _note_call(draft, operation, message)
    if message.payment_url is not None and payment.payment_url is None:
        draft.set(payment_url=message.payment_url)
    return draft.decide(message.reply_to)


@_decide.register
def _callback(message: ProviderCallback, payment: Payment | None, now: datetime) -> Decision:
    draft = Draft(_known(payment, message.payment_id), now)
    apply_observation(draft, message.observed)
    return draft.decide()


@_decide.register
def _chase(message: ChaseOperation, payment: Payment | None, now: datetime) -> Decision:
    payment = _known(payment, message.payment_id)
    operation = payment.operation(message.operation_id)
    if operation is None or not operation.is_open or operation.chases != message.chase:
        return Decision(payment)
    draft = Draft(payment, now)
    chases = operation.chases + 1
    operation = draft.put(
        msgspec.structs.replace(operation, chases=chases, next_chase_at=next_chase(operation.outcome, chases, now))
    )
    # Opening an order moves no money and is idempotent at the provider, so asking again is sending it again;
    # it is also the only way to learn the payment URL. Anything else is sent again only if it was never sent.
    resend = operation.outcome is Outcome.NOT_SENT or (
        operation.type is OperationType.AUTHORIZE and payment.payment_url is None
    )
    action = _ACTIONS[operation.type] if resend else Action.INQUIRE
    draft.requests.append(_request(draft.payment, operation, action))
    return draft.decide()


_ACTIONS = {
    OperationType.AUTHORIZE: Action.CREATE,
    OperationType.CAPTURE: Action.CAPTURE,
    OperationType.VOID: Action.VOID,
    OperationType.REFUND: Action.REFUND,
    OperationType.RECURRING: Action.RECUR,
}


def _note_call(draft: Draft, operation: Operation, result: ProviderResult) -> None:
    if result.outcome is Outcome.DECLINED:
        draft.close(operation, OperationStatus.FAIL, result.reason)
        if operation.type is OperationType.AUTHORIZE and draft.move(Fact.FAILED):
            draft.set(reason=result.reason)
        return
    draft.note_outcome(operation, result.outcome, provider_ref=result.provider_ref or operation.provider_ref)
    if operation.type is OperationType.AUTHORIZE and result.provider_ref is not None:
        draft.set(order_ref=result.provider_ref)
    if result.observed is not None:
        apply_observation(draft, result.observed)


def _note_inquiry(draft: Draft, operation: Operation, result: ProviderResult) -> None:
    observed = result.observed
    if result.outcome is not Outcome.SUCCEEDED or observed is None:
        return  # no evidence: the next question is already due
    apply_observation(draft, observed)
    still = draft.payment.operation(operation.id)
    if still is None or not still.is_open:
        return
    if _is_overdue(draft, still, observed):
        draft.close(still, OperationStatus.FAIL, "expired")
        draft.move(Fact.EXPIRED)
    elif still.status is OperationStatus.UNKNOWN and still.type is OperationType.AUTHORIZE and observed.status:
        draft.note_outcome(still, Outcome.PENDING)


def _is_overdue(draft: Draft, operation: Operation, observed: Observation) -> bool:
    """The provider says that the customer has not paid, and the time for it is over."""
    return (
        operation.type is OperationType.AUTHORIZE
        and observed.status is PaymentStatus.PENDING
        and draft.now >= draft.payment.expires_at
    )


def _request(payment: Payment, operation: Operation, action: Action) -> ProviderRequest:
    return ProviderRequest(
        payment_id=payment.id,
        operation_id=operation.id,
        provider=payment.provider,
        action=action,
        order_ref=payment.order_ref,
        currency=payment.order.currency,
        amount=operation.amount,
        capture_mode=payment.capture_mode,
        order=payment.order if action is Action.CREATE else None,
        cart=operation.cart,
        ttl_s=max(0, round((payment.expires_at - payment.created_at).total_seconds())),
    )


def _known(payment: Payment | None, payment_id: UUID) -> Payment:
    if payment is None:
        raise InvalidMessage(f"payment {payment_id} is not known")
    return payment
