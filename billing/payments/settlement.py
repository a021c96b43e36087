"""How the end of an operation changes its payment: amounts, postings, status. The only code that changes amounts."""

from datetime import timedelta
from types import MappingProxyType
from typing import Final, assert_never

import msgspec

from billing.errors import InvariantBroken
from billing.ledger import postings
from billing.ledger.postings import Posting
from billing.messages import ProviderReason
from billing.payments.decision import Draft
from billing.payments.failover import may_move_on, move_on
from billing.payments.lifecycle import Fact
from billing.payments.model import CHARGES, Operation
from billing.reasons import Kind, Reason
from billing.vocabulary import CaptureMode, OperationStatus, OperationType

#: In one stage the provider captures right after the authorization. Without a report of the capture within this time,
#: inquire.
CAPTURE_FOLLOWS: Final = timedelta(minutes=1)

#: Operation that moves money → its posting.
_POSTINGS: Final = MappingProxyType(
    {
        OperationType.CAPTURE: postings.capture,
        OperationType.RECURRING: postings.capture,
        OperationType.REFUND: postings.refund,
        OperationType.CHARGEBACK: postings.chargeback,
        OperationType.CHARGEBACK_UNDONE: postings.chargeback_undone,
    }
)


def succeed(draft: Draft, operation: Operation) -> None:
    """The operation succeeded at the provider. A success that is recorded already changes nothing."""
    if operation.status is OperationStatus.SUCCESS:
        return
    if operation.type is OperationType.CAPTURE and draft.payment.authorized == 0:
        succeed(draft, draft.payment.charge)  # a capture implies an authorization, even if none was reported
    posted_before = operation.status is OperationStatus.FAIL  # recorded as failed, then evidence of success
    if posted_before:
        operation = msgspec.structs.replace(operation, reason=None)
    operation = draft.close(operation, OperationStatus.SUCCESS)
    _add(draft, operation)
    salt = f"/{draft.payment.version}" if posted_before else ""
    if (posting := _posting(draft, operation, salt)) is not None:
        draft.postings.append(posting)


def _add(draft: Draft, operation: Operation) -> None:
    """Add an operation that succeeded to the payment's amounts, and make the transition."""
    payment, amount = draft.payment, operation.amount
    match operation.type:
        case OperationType.AUTHORIZE:
            draft.update(authorized=amount, reason=None)
            draft.transition(Fact.AUTHORIZED)
            held = payment.capture_mode is CaptureMode.TWO_STAGE
            due = draft.now + (timedelta(seconds=payment.hold_s) if held else CAPTURE_FOLLOWS)
            draft.record_operation(msgspec.structs.replace(operation, next_follow_up_at=due))
        case OperationType.CAPTURE:
            _forget_hold(draft)
            draft.update(captured=payment.captured + amount)
            draft.transition(Fact.CAPTURED)
        case OperationType.RECURRING:
            draft.update(authorized=amount, captured=amount, reason=None)
            draft.transition(Fact.CAPTURED)
        case OperationType.VOID:
            _forget_hold(draft)
            draft.transition(Fact.VOIDED)
        case OperationType.REFUND:
            draft.update(refunded=payment.refunded + amount)
            whole = draft.payment.refunded == draft.payment.captured
            draft.transition(Fact.WHOLLY_REFUNDED if whole else Fact.PARTLY_REFUNDED)
        case OperationType.CHARGEBACK:
            draft.update(charged_back=payment.charged_back + amount)
        case OperationType.CHARGEBACK_UNDONE:
            draft.update(charged_back=payment.charged_back - amount)
        case _:
            assert_never(operation.type)


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


def undo(
    draft: Draft, operation: Operation, cause: str, reason: str, provider_reason: ProviderReason | None = None
) -> None:
    """The operation did not succeed after all: subtract its amount and reverse its posting. ``cause`` tells this time from
    others."""
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
        case OperationType.CHARGEBACK:
            draft.update(charged_back=payment.charged_back - operation.amount)
        case OperationType.CHARGEBACK_UNDONE:
            draft.update(charged_back=payment.charged_back + operation.amount)
        case _:
            assert_never(operation.type)
    posting = _posting(draft, operation, f"/{cause}")
    if posting is not None:
        draft.postings.append(postings.reverse(posting))
    draft.close(operation, OperationStatus.FAIL, reason, provider_reason)
    draft.derive_status()


def _forget_hold(draft: Draft) -> None:
    """Nothing is held any more: its end is not asked about."""
    authorization = draft.payment.charge
    if not authorization.is_open and authorization.next_follow_up_at is not None:
        draft.record_operation(msgspec.structs.replace(authorization, next_follow_up_at=None))


def _posting(draft: Draft, operation: Operation, salt: str) -> Posting | None:
    make = _POSTINGS.get(operation.type)
    if make is None:
        return None
    payment = draft.payment
    return make(operation.id, payment.provider, operation.amount, payment.order.currency, draft.now, salt)
