"""The result of a provider call, applied to its operation."""

from datetime import datetime

import msgspec

from billing.errors import InvalidMessage
from billing.messages import Observation, ProviderResult
from billing.messages.event_parts import CallView
from billing.payments.abandoned_attempts import call_ended
from billing.payments.decision import Decision, Draft, aliases_of
from billing.payments.failover import may_move_on, move_on, never_sent
from billing.payments.follow_ups import next_follow_up
from billing.payments.model import CHARGES, OPENING_ACTIONS, Operation, Payment
from billing.payments.observations import apply_observation
from billing.payments.provider_requests import books_of
from billing.payments.questions import answered, ask, is_reported, next_question, note_outcome, unanswered
from billing.payments.settlement import fail, succeed
from billing.payments.withdrawal import end_unsent, give_back, reason_to_end
from billing.reasons import Reason
from billing.vocabulary import Action, LearntBy, OperationStatus, OperationType, Outcome, PaymentStatus


def apply_result(message: ProviderResult, payment: Payment, now: datetime) -> Decision:
    """Apply the result of a call. Where the operation is final already, it adds at most a payment URL."""
    operation = payment.operation(message.operation_id)
    if operation is None:
        raise InvalidMessage(f"{payment.id}: a result for the unknown operation {message.operation_id}")
    draft = Draft(
        payment,
        now,
        learnt_by=LearntBy.INQUIRY if message.action is Action.INQUIRE else LearntBy.ANSWER,
        occurred_at=None if message.observed is None else message.observed.at,
    )
    draft.aliases = aliases_of(message.provider, message.observed)
    draft.waiting = message.reply_to
    draft.call = CallView(
        operation.id,
        message.provider,
        message.action,
        message.outcome,
        round(message.duration_ms * 1000),
        message.reason,
    )
    if message.action is Action.INQUIRE:
        operation = is_reported(draft, operation)
    if operation.provider != payment.provider:
        call_ended(draft, operation, message)
        return draft.build()
    if message.action in OPENING_ACTIONS and message.provider_ref is not None:
        # Also where a callback or an inquiry closed the operation before: later calls need the name.
        operation = draft.name_order(operation, message.provider_ref)
    decides = message.books in (None, books_of(payment))
    if message.action is Action.INQUIRE:
        _inquiry(draft, operation, message, decides=decides)
    elif operation.is_open:
        _call(draft, operation, message, decides=decides)
    elif _contradicts_failure(operation, message):
        ask(draft, payment.charge)
    if message.payment_url is not None and payment.payment_url is None:
        draft.update(payment_url=message.payment_url)
        if message.provider_ref is not None and draft.payment.authorized == 0:
            # The customer gets the page of this order, even if a second order for the operation was seen before.
            draft.rename_order(operation, message.provider_ref)
    give_back(draft)
    return draft.build()


def _contradicts_failure(operation: Operation, message: ProviderResult) -> bool:
    """Whether a charge that failed here may have arrived there: the report of a call comes after the charge was closed."""
    arrived = message.outcome in (Outcome.SUCCEEDED, Outcome.PENDING, Outcome.UNKNOWN)
    return operation.type is OperationType.RECURRING and operation.status is OperationStatus.FAIL and arrived


def _call(draft: Draft, operation: Operation, message: ProviderResult, *, decides: bool) -> None:
    if message.outcome is Outcome.DECLINED:
        operation = msgspec.structs.replace(operation, retry_after_s=message.retry_after_s)
        fail(draft, operation, message.reason or Reason.DECLINED, message.provider_reason)
        if message.action not in OPENING_ACTIONS:
            ask(draft, draft.payment.charge)  # the order may not be as the books have it
        return
    if (reason := reason_to_end(draft.payment, operation, message)) is not None:
        end_unsent(draft, operation, reason)
        return
    if _was_called_before(operation, message):
        return
    if never_sent(operation, message.outcome) and may_move_on(draft, operation):
        draft.close(operation, OperationStatus.FAIL, message.reason or Reason.NOT_SENT, message.provider_reason)
        move_on(draft)
        return
    operation = note_outcome(
        draft,
        operation,
        message.outcome,
        message.reason,
        provider_ref=message.provider_ref,
        wait_s=message.retry_after_s,
    )
    observed = message.observed
    if message.outcome is Outcome.SUCCEEDED:
        shows_amount = observed is not None and observed.captured is not None
        if operation.action is Action.ROLLBACK:
            observed = observed or Observation(PaymentStatus.FAILED, reason=Reason.ROLLED_BACK)
        elif operation.action is not Action.CREATE and not shows_amount:
            succeed(draft, operation)
    if observed is not None:
        apply_observation(draft, observed, decides=decides)


def _was_called_before(operation: Operation, message: ProviderResult) -> bool:
    """Whether a saved method is not charged a second time while the first call may have arrived: the request was
    delivered twice, and what became of the first delivery is asked."""
    before = operation.outcome in (Outcome.UNKNOWN, Outcome.PENDING)
    return operation.action is Action.RECUR and message.outcome is Outcome.NOT_SENT and before


def _inquiry(draft: Draft, operation: Operation, message: ProviderResult, *, decides: bool) -> None:
    observed = message.observed
    if message.outcome is not Outcome.SUCCEEDED or observed is None:
        unanswered(draft, operation, message.outcome, message.reason, message.retry_after_s)
        return
    asked = len(draft.requests)
    unfinished = apply_observation(draft, observed, decides=decides)
    unfinished = unfinished or _goes_on_there(draft.payment, observed)
    still = draft.payment.operation(operation.id)
    if still is None or len(draft.requests) > asked:
        return  # asked again, or the payment moved on
    still = answered(draft, still, observed.hold_until, unfinished=unfinished)
    if not still.is_open:
        return
    if _is_overdue(draft, still, observed, message.reason):
        fail(draft, still, Reason.EXPIRED)
    elif still.status is OperationStatus.UNKNOWN:
        _resolve_unknown(draft, still, observed, message.reason)


def _goes_on_there(payment: Payment, observed: Observation) -> bool:
    """Whether the provider is charging a saved method for a payment that failed here."""
    charging = observed.status in (PaymentStatus.PENDING, PaymentStatus.AUTHORIZED)
    return charging and payment.status is PaymentStatus.FAILED and payment.charge.type is OperationType.RECURRING


def _resolve_unknown(draft: Draft, operation: Operation, observed: Observation, reason: str | None) -> None:
    """The provider knows the order. If it lists the operation, the call arrived; if not, the call did not arrive and
    may be sent again with the same key."""
    listed = any(o.operation_id == operation.id for o in observed.operations)
    if operation.type is OperationType.AUTHORIZE:
        arrived = observed.status is not None
    elif operation.type is OperationType.RECURRING:
        arrived = reason != Reason.ORDER_NOT_FOUND
    else:
        arrived = listed
    if arrived:
        due = next_question(draft.payment, operation, draft.now)
        draft.record_operation(
            msgspec.structs.replace(
                operation, status=OperationStatus.PENDING, outcome=Outcome.PENDING, next_follow_up_at=due
            )
        )
    elif draft.payment.withdrawn is not None and operation.type in CHARGES:
        fail(draft, operation, Reason.WITHDRAWN)
    else:
        resend = next_follow_up(Outcome.NOT_SENT, 0, draft.now)
        draft.record_operation(
            msgspec.structs.replace(
                operation, status=OperationStatus.PENDING, outcome=Outcome.NOT_SENT, next_follow_up_at=resend
            )
        )


def _is_overdue(draft: Draft, operation: Operation, observed: Observation, reason: str | None) -> bool:
    """The time to pay is over, and the provider reports that the customer has not paid, or that it has no such order
    where the last call to open one was not sent."""
    unpaid = observed.status is PaymentStatus.PENDING
    never_opened = reason == Reason.ORDER_NOT_FOUND and operation.outcome is Outcome.NOT_SENT
    return (
        operation.type is OperationType.AUTHORIZE and (unpaid or never_opened) and draft.now >= draft.payment.expires_at
    )
