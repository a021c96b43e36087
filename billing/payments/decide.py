"""``decide()``: what follows from one message to one payment. A pure function."""

from collections.abc import Callable
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final
from uuid import uuid5

import msgspec

from billing.errors import InvalidCart, InvalidMessage, InvalidMoney
from billing.messages import (
    AmendPayment,
    CapturePayment,
    CorrectPayment,
    CreatePayment,
    ExpirePayment,
    FollowUpOperation,
    Message,
    ProviderCallback,
    ProviderResult,
    RecordChargeback,
    RecordMovement,
    RefundPayment,
    ReportOutcome,
    RollbackPayment,
    UndoRefund,
    VoidPayment,
    WithdrawCharge,
)
from billing.payments import commands
from billing.payments.abandoned_attempts import is_abandoned, order_of
from billing.payments.amendment import amend
from billing.payments.decision import Decision, Draft, aliases_of, answer, refuse
from billing.payments.follow_ups import follow_up_action, next_follow_up
from billing.payments.guard import Guarded, guard_refusal
from billing.payments.model import Operation, Payment
from billing.payments.observations import apply_observation, is_known
from billing.payments.outcome import outcome_of, outcome_of_refused
from billing.payments.provider_requests import build_request
from billing.payments.provider_results import apply_result
from billing.payments.questions import ask, is_asked
from billing.payments.statement import record_chargeback, record_movement, undo_refund
from billing.payments.withdrawal import give_back, withdraw
from billing.vocabulary import Action, LearntBy, OperationStatus, OperationType, PaymentStatus

#: The version of these rules. Raise it with a change after which an old journal would be decided otherwise: a replay is
#: only of the rules that decided. Rows of the journal without a version are of releases before the rule of evidence.
RULES: Final = 5


def decide(payment: Payment | None, message: Message, now: datetime) -> Decision:
    """Apply ``message`` to ``payment`` (``None``: no payment has this id) at ``now`` (UTC).

    Repeated and late messages converge: a fact that is already recorded changes nothing. Raises
    :class:`~billing.errors.InvalidMessage` for a message that can never be applied, and
    :class:`~billing.errors.InvariantBroken` where applying it would make an amount of money wrong.
    """
    if isinstance(message, CreatePayment):
        return _create(message, payment, now)
    handler = _HANDLERS.get(type(message))
    if handler is None:
        raise InvalidMessage(f"{message.TYPE} is not a message to a payment")
    if payment is None:
        if isinstance(message, _COMMANDS):
            return refuse(
                None,
                message.payment_id,
                "payment_not_found",
                "there is no such payment",
                getattr(message, "reply_to", None),
            )
        raise InvalidMessage(f"payment {message.subject_id} is not known")
    if isinstance(message, Guarded) and (refusal := guard_refusal(message, payment)) is not None:
        return refuse(payment, payment.id, *refusal, message.reply_to)
    return handler(message, payment, now)


def _create(message: CreatePayment, payment: Payment | None, now: datetime) -> Decision:
    reply_to = message.reply_to
    if payment is not None:
        if payment.fingerprint != message.fingerprint:
            detail = "this Idempotency-Key was used before with another body"
            return refuse(payment, payment.id, "idempotency_key_reused", detail, reply_to)
        return Decision(
            payment,
            reply=answer(payment, reply_to, replayed=True),
            reply_partition=0 if reply_to is None else reply_to.partition,
        )
    try:
        message.order.check()
    except (InvalidCart, InvalidMoney) as error:
        refused = refuse(None, message.payment_id, "invalid_order", str(error), reply_to)
        return msgspec.structs.replace(refused, outcome=outcome_of_refused(message, now))
    recurring = message.saved_method is not None
    operation_id = uuid5(message.payment_id, "authorize/1")
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
            order_ref=str(operation_id),
            created_at=now,
            updated_at=now,
            expires_at=now + timedelta(seconds=message.payment_ttl_s),
            hold_s=message.hold_s,
            save_method=message.save_method,
            saved_method=message.saved_method,
            alternatives=() if recurring else message.alternatives,
            not_after=message.not_after,
        ),
        now,
        created=True,
    )
    operation = draft.record_operation(
        Operation(
            id=operation_id,
            type=OperationType.RECURRING if recurring else OperationType.AUTHORIZE,
            action=Action.RECUR if recurring else Action.CREATE,
            status=OperationStatus.PENDING,
            amount=message.order.amount,
            provider=message.provider,
            created_at=now,
            updated_at=now,
            next_follow_up_at=min(next_follow_up(None, 0, now), draft.payment.expires_at),
        )
    )
    # Reply only after the provider has answered: a checkout cannot use a payment without its URL.
    draft.requests.append(build_request(draft.payment, operation, operation.action, reply_to))
    return draft.build()


def _callback(message: ProviderCallback, payment: Payment, now: datetime) -> Decision:
    draft = Draft(payment, now, learnt_by=LearntBy.CALLBACK, occurred_at=message.observed.at)
    draft.aliases = aliases_of(message.provider, message.observed)
    if is_abandoned(payment, message.provider):
        ask(draft, order_of(payment, message.provider))
    elif message.provider != payment.provider:
        raise InvalidMessage(f"{payment.id} was never at {message.provider}")
    elif message.ask:
        if not is_known(payment, message.claimed, now):
            ask(draft, payment.charge)
    else:
        apply_observation(draft, message.observed, decides=False)
        give_back(draft)
    return draft.build()


def _follow_up(message: FollowUpOperation, payment: Payment, now: datetime) -> Decision:
    operation = payment.operation(message.operation_id)
    if operation is None:
        return Decision(payment)
    due = operation.next_follow_up_at is not None and operation.follow_ups == message.follow_up
    if not due and not message.on_demand:
        return Decision(payment)
    action = follow_up_action(payment, operation, message.follow_up)
    if message.on_demand and action is Action.INQUIRE and is_asked(payment, operation, now):
        return Decision(payment)
    draft = Draft(payment, now)
    ask(draft, operation, action)
    return draft.build()


def _report_outcome(_message: ReportOutcome, payment: Payment, _now: datetime) -> Decision:
    return Decision(payment, outcome=outcome_of(payment))


#: Messages of clients, operators, subscriptions and clearing: refused where there is no payment. Others are then faults.
_COMMANDS: Final = (
    CapturePayment,
    VoidPayment,
    RefundPayment,
    RollbackPayment,
    CorrectPayment,
    AmendPayment,
    ReportOutcome,
    WithdrawCharge,
    RecordMovement,
    UndoRefund,
    RecordChargeback,
)
_HANDLERS: Final[MappingProxyType[type[Message], Callable[[Any, Payment, datetime], Decision]]] = MappingProxyType(
    {
        CapturePayment: commands.capture,
        VoidPayment: commands.void,
        RefundPayment: commands.refund,
        RollbackPayment: commands.rollback,
        ExpirePayment: commands.expire,
        CorrectPayment: commands.correct,
        AmendPayment: amend,
        FollowUpOperation: _follow_up,
        ReportOutcome: _report_outcome,
        WithdrawCharge: withdraw,
        RecordMovement: record_movement,
        UndoRefund: undo_refund,
        RecordChargeback: record_chargeback,
        ProviderCallback: _callback,
        ProviderResult: apply_result,
    }
)
