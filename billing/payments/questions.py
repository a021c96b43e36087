"""Questions to the provider, and what their answers mean for the schedule: it moves on answers only.

A question stays due until the provider has answered it. One without an answer, be it lost, refused by a breaker or met
with an error, is repeated within a minute.
"""

from datetime import datetime, timedelta

import msgspec

from billing.payments.decision import Draft
from billing.payments.follow_ups import (
    REPEAT_AT_LAST,
    is_answer,
    next_follow_up,
    question_is_lost,
    repeat_question,
)
from billing.payments.model import OPENING_ACTIONS, Operation, Payment
from billing.payments.provider_requests import build_request
from billing.vocabulary import Action, CaptureMode, OperationStatus, Outcome, PaymentStatus


def ask(draft: Draft, operation: Operation, action: Action = Action.INQUIRE) -> None:
    """Inquire about the order now, on behalf of ``operation``, or send its call again."""
    asked_at = draft.now if action is Action.INQUIRE else operation.asked_at
    operation = msgspec.structs.replace(operation, follow_ups=operation.follow_ups + 1, asked_at=asked_at)
    again = question_is_lost(operation, draft.now)
    operation = draft.record_operation(msgspec.structs.replace(operation, next_follow_up_at=again))
    draft.requests.append(build_request(draft.payment, operation, action))


def is_asked(payment: Payment, operation: Operation, now: datetime) -> bool:
    """Whether a question is under way whose answer a question on behalf of ``operation`` would only repeat. Any answer
    about an order serves the operation that opened it; what became of another one is found out by its own question."""

    def waits(other: Operation) -> bool:
        return other.asked_at is not None and now < other.asked_at + REPEAT_AT_LAST

    serve = payment.operations if operation.action in OPENING_ACTIONS else (operation,)
    return any(waits(o) for o in serve if o.provider == operation.provider)


def is_reported(draft: Draft, operation: Operation) -> Operation:
    """The question about an operation is over, with an answer or without."""
    if operation.asked_at is None:
        return operation
    return draft.record_operation(msgspec.structs.replace(operation, asked_at=None))


def unanswered(draft: Draft, operation: Operation, outcome: Outcome, reason: str | None, wait_s: int | None) -> None:
    """An inquiry ended without the state of the order. ``wait_s``: the provider wants no requests for so long, seconds."""
    if is_answer(outcome, reason):
        operation = count_answer(operation)
        due = next_follow_up(operation.outcome, operation.answered, draft.now)
    else:
        due = repeat_question(operation, draft.now)
    due = max(due, draft.now + timedelta(seconds=wait_s or 0))
    draft.record_operation(msgspec.structs.replace(operation, next_follow_up_at=due))


def answered(draft: Draft, operation: Operation, hold_until: datetime | None, *, unfinished: bool) -> Operation:
    """The provider showed the state of the order: the next question is due by the schedule, or none where nothing is
    open. ``hold_until``: when the provider releases the hold (UTC)."""
    operation = count_answer(operation)
    payment = draft.payment
    due = None
    if operation.is_open:
        due = next_question(payment, operation, draft.now)
    elif operation.id == payment.charge.id:
        if payment.status is PaymentStatus.AUTHORIZED:
            due = hold_until or _end_of_hold(draft, operation)
            due = due if due > draft.now else next_question(payment, operation, draft.now)
        elif unfinished:
            due = next_question(payment, operation, draft.now)
    return draft.record_operation(msgspec.structs.replace(operation, next_follow_up_at=due))


def _end_of_hold(draft: Draft, authorization: Operation) -> datetime:
    """When a hold is asked about that the provider sets no end to (UTC); in one stage, when its capture is."""
    payment, before = draft.payment, draft.before
    fresh = before is None or before.status is not PaymentStatus.AUTHORIZED
    if fresh and authorization.next_follow_up_at is not None:
        return authorization.next_follow_up_at  # as it was authorized just now
    if payment.capture_mode is CaptureMode.ONE_STAGE:
        return next_question(payment, authorization, draft.now)
    return payment.created_at + timedelta(seconds=payment.hold_s)


def next_question(payment: Payment, operation: Operation, now: datetime) -> datetime:
    """When the schedule asks about an operation (UTC); about an order that can be paid, at the latest when its time is
    over."""
    due = next_follow_up(operation.outcome, operation.answered, now)
    unpaid = operation.action is Action.CREATE and payment.status is PaymentStatus.PENDING
    return min(due, payment.expires_at) if unpaid and now < payment.expires_at else due


def count_answer(operation: Operation) -> Operation:
    """One more question was answered; an answer that no question of ours brought does not count."""
    return msgspec.structs.replace(operation, answered=min(operation.answered + 1, operation.follow_ups))


def note_outcome(
    draft: Draft,
    operation: Operation,
    outcome: Outcome,
    reason: str | None = None,
    *,
    provider_ref: str | None = None,
    wait_s: int | None = None,
) -> Operation:
    """Record the outcome of the last call for an open operation, and when to follow up: by the schedule, but not within
    ``wait_s`` seconds, the time for which the provider asked for no calls."""
    repeated = operation.follow_ups > operation.answered
    operation = msgspec.structs.replace(
        operation,
        status=OperationStatus.UNKNOWN if outcome is Outcome.UNKNOWN else OperationStatus.PENDING,
        outcome=outcome,
        provider_ref=provider_ref or operation.provider_ref,
    )
    if repeated and not is_answer(outcome, reason):
        due = repeat_question(operation, draft.now)
    else:
        operation = count_answer(operation)
        due = next_question(draft.payment, operation, draft.now)
    due = max(due, draft.now + timedelta(seconds=wait_s or 0))
    return draft.record_operation(msgspec.structs.replace(operation, next_follow_up_at=due))
