"""Charges that are not sent, and charges that nobody wants any more.

A charge that was not sent ends without a provider's word. The provider is asked about it all the same: a worker may have
died between a call and its report, and then the money is there. A withdrawn charge is given back whenever it turns out to
be captured: before the withdrawal or after it, by an answer, a callback or an inquiry.
"""

from datetime import datetime
from typing import Final
from uuid import uuid5

from billing.messages import ProviderResult, WithdrawCharge
from billing.payments.decision import Decision, Draft
from billing.payments.follow_ups import next_follow_up
from billing.payments.model import CHARGES, Operation, Payment
from billing.payments.provider_requests import build_request
from billing.payments.questions import ask
from billing.payments.settlement import fail
from billing.reasons import Reason
from billing.vocabulary import Action, OperationStatus, OperationType, Outcome

#: Reasons of NOT_SENT for which a charge is not sent later either.
_NEVER_SENT: Final = (Reason.TOO_LATE, Reason.METHOD_REMOVED, Reason.METHOD_DEAD)


def withdraw(message: WithdrawCharge, payment: Payment, now: datetime) -> Decision:
    """Stop charging. A repeat changes nothing."""
    if payment.withdrawn is not None:
        return Decision(payment)
    draft = Draft(payment, now)
    draft.update(withdrawn=message.reason)
    charge = payment.charge
    if charge.status is OperationStatus.PENDING and charge.outcome is Outcome.NOT_SENT:
        end_unsent(draft, charge, Reason.WITHDRAWN)
    give_back(draft)
    return draft.build()


def reason_to_end(payment: Payment, operation: Operation, message: ProviderResult) -> Reason | None:
    """Why a charge that was not sent is not sent again; ``None`` where it is, or where a call before this one may have
    arrived."""
    if operation.type not in CHARGES or message.outcome is not Outcome.NOT_SENT:
        return None
    if operation.outcome not in (None, Outcome.NOT_SENT):
        return None
    if payment.withdrawn is not None:
        return Reason.WITHDRAWN
    return next((reason for reason in _NEVER_SENT if reason == message.reason), None)


def end_unsent(draft: Draft, operation: Operation, reason: Reason) -> None:
    """Fail a charge that was not sent, and ask the provider whether it was."""
    fail(draft, operation, reason)
    ask(draft, draft.payment.charge)


def give_back(draft: Draft) -> None:
    """Refund a withdrawn charge that is captured: all that is left of it, once."""
    payment = draft.payment
    id = uuid5(payment.id, "withdrawn")
    if payment.withdrawn is None or payment.refundable < 1 or payment.operation(id) is not None:
        return
    operation = draft.record_operation(
        Operation(
            id=id,
            type=OperationType.REFUND,
            action=Action.REFUND,
            status=OperationStatus.PENDING,
            amount=payment.refundable,
            provider=payment.provider,
            reason=payment.withdrawn,
            created_at=draft.now,
            updated_at=draft.now,
            next_follow_up_at=next_follow_up(None, 0, draft.now),
        )
    )
    draft.requests.append(build_request(draft.payment, operation, Action.REFUND))
