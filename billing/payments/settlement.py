"""How the end of an operation changes its payment: amounts, postings, status. The only code that changes amounts."""

from datetime import timedelta
from typing import Final, assert_never
from uuid import UUID, uuid5

import msgspec

from billing.errors import InvariantBroken
from billing.ledger import postings
from billing.ledger.postings import Posting
from billing.messages import ProviderReason
from billing.payments.decision import Draft
from billing.payments.failover import may_move_on, move_on
from billing.payments.lifecycle import Fact
from billing.payments.model import Operation
from billing.reasons import Kind, Reason
from billing.vocabulary import Action, CaptureMode, OperationStatus, OperationType

#: In one stage the provider captures right after the authorization. Without a report of the capture within this time,
#: inquire.
CAPTURE_FOLLOWS: Final = timedelta(minutes=1)
CHARGES = (OperationType.AUTHORIZE, OperationType.RECURRING)


def succeed(draft: Draft, operation: Operation) -> None:
    """The operation succeeded at the provider. A success that is recorded already changes nothing."""
    if operation.status is OperationStatus.SUCCESS:
        return
    if operation.type is OperationType.CAPTURE and draft.payment.authorized == 0:
        succeed(draft, charge_operation(draft))  # a capture implies an authorization, even if none was reported
    posted_before = operation.status is OperationStatus.FAIL  # recorded as failed, then evidence of success
    operation = draft.close(operation, OperationStatus.SUCCESS)
    amount = operation.amount
    payment = draft.payment
    match operation.type:
        case OperationType.AUTHORIZE:
            draft.update(authorized=amount, reason=None)
            draft.transition(Fact.AUTHORIZED)
            held = payment.capture_mode is CaptureMode.TWO_STAGE
            due = draft.now + (timedelta(seconds=payment.hold_s) if held else CAPTURE_FOLLOWS)
            draft.record_operation(msgspec.structs.replace(operation, next_follow_up_at=due))
        case OperationType.CAPTURE:
            authorization = charge_operation(draft)
            if payment.capture_mode is CaptureMode.ONE_STAGE and authorization.next_follow_up_at is not None:
                draft.record_operation(msgspec.structs.replace(authorization, next_follow_up_at=None))
            draft.update(captured=payment.captured + amount)
            draft.transition(Fact.CAPTURED)
        case OperationType.RECURRING:
            draft.update(authorized=amount, captured=amount, reason=None)
            draft.transition(Fact.CAPTURED)
        case OperationType.VOID:
            draft.transition(Fact.VOIDED)
        case OperationType.REFUND:
            draft.update(refunded=payment.refunded + amount)
            whole = draft.payment.refunded == draft.payment.captured
            draft.transition(Fact.WHOLLY_REFUNDED if whole else Fact.PARTLY_REFUNDED)
        case _:
            assert_never(operation.type)
    salt = f"/{draft.payment.version}" if posted_before else ""
    if (posting := _posting(draft, operation, salt)) is not None:
        draft.postings.append(posting)


def fail(draft: Draft, operation: Operation, reason: str, provider_reason: ProviderReason | None = None) -> None:
    """The provider declined the operation, or never performed it: the payment moves on to the next provider, or fails.
    Only an open operation can fail. ``reason``: the text of a :class:`~billing.reasons.Reason`; ``provider_reason``: the
    provider's own words for it."""
    if not operation.is_open:
        return
    draft.close(operation, OperationStatus.FAIL, reason, provider_reason)
    known = Reason.of(reason)
    if known.try_elsewhere and may_move_on(draft, operation):
        move_on(draft)
    elif operation.type in CHARGES:
        draft.update(reason=reason)
        draft.transition(Fact.EXPIRED if known.kind is Kind.ABANDONED else Fact.FAILED)


def undo(draft: Draft, operation: Operation, correction_id: UUID, reason: str) -> None:
    """The operation did not succeed after all: subtract its amount and reverse its posting."""
    payment = draft.payment
    match operation.type:
        case OperationType.AUTHORIZE:
            if payment.captured:
                raise InvariantBroken(f"{payment.id}: an authorization cannot be undone under a capture")
            draft.update(authorized=0)
        case OperationType.CAPTURE:
            draft.update(captured=payment.captured - operation.amount)
        case OperationType.RECURRING:
            draft.update(authorized=0, captured=0)
        case OperationType.VOID:
            pass
        case OperationType.REFUND:
            draft.update(refunded=payment.refunded - operation.amount)
        case _:
            assert_never(operation.type)
    posting = _posting(draft, operation, f"/{correction_id}")
    if posting is not None:
        draft.postings.append(postings.reverse(posting))
    draft.close(operation, OperationStatus.FAIL, reason)
    draft.derive_status()


def charge_operation(draft: Draft) -> Operation:
    """The operation that authorizes or charges the customer's money."""
    return next(o for o in reversed(draft.payment.operations) if o.type in CHARGES)


def provider_initiated_operation(draft: Draft, type: OperationType, amount: int, reason: str) -> Operation:
    """An operation that the provider made without a request of ours: the capture in one stage, the release of a hold, a
    refund in the provider's back office."""
    payment = draft.payment
    number = sum(o.type is type for o in payment.operations) + 1
    return Operation(
        id=uuid5(payment.id, f"{type}/provider/{number}"),
        type=type,
        action=Action.INQUIRE,
        status=OperationStatus.PENDING,
        amount=amount,
        provider=payment.provider,
        reason=reason,
        created_at=draft.now,
        updated_at=draft.now,
    )


def _posting(draft: Draft, operation: Operation, salt: str) -> Posting | None:
    provider, currency = draft.payment.provider, draft.payment.order.currency
    if operation.type in (OperationType.CAPTURE, OperationType.RECURRING):
        return postings.capture(operation.id, provider, operation.amount, currency, draft.now, salt)
    if operation.type is OperationType.REFUND:
        return postings.refund(operation.id, provider, operation.amount, currency, draft.now, salt)
    return None
