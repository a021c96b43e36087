"""A provider's view of an order, from a callback, an inquiry or an answer, applied to the payment.

What follows from it is decided in :mod:`billing.payments.evidence`; here it is carried out.
"""

from datetime import datetime

import msgspec

from billing.errors import BillingError, InvalidMessage
from billing.messages import Observation
from billing.payments.decision import Draft
from billing.payments.evidence import Effect, compare
from billing.payments.model import Payment
from billing.payments.questions import ask
from billing.payments.settlement import fail, succeed, undo
from billing.reasons import Reason
from billing.vocabulary import PaymentStatus


def apply_observation(draft: Draft, observed: Observation, *, decides: bool) -> bool:
    """Apply an observation. ``decides``: it is the provider's answer to the present books; otherwise it confirms what was
    requested, or the provider is asked. Returns whether the provider is still processing something that we did not
    request."""
    if observed.order_ref is not None and not _is_ours(draft, observed.order_ref, observed):
        return False
    payment = draft.payment
    if observed.method_ref is not None and payment.save_method and payment.method_ref is None:
        draft.update(
            method_ref=observed.method_ref, method_title=observed.method_title, method_expires=observed.method_expires
        )
    if observed.method_last4 is not None and payment.method_last4 is None:
        draft.update(method_last4=observed.method_last4)
    verdict = compare(payment, observed, draft.now, decides=decides)
    if decides and (verdict.contradiction is not None or observed.status is not None):
        draft.mark(verdict.contradiction)
    elif verdict.contradiction is not None:
        ask(draft, payment.charge)
    for movement in verdict.movements:
        operation = draft.payment.operation(movement.operation.id) or movement.operation
        match movement.effect:
            case Effect.SUCCEEDED:
                succeed(draft, msgspec.structs.replace(operation, amount=movement.operation.amount))
            case Effect.FAILED:
                fail(draft, operation, movement.reason or Reason.DECLINED, movement.provider_reason)
            case Effect.UNDONE:
                cause = f"undone/{payment.version}"
                undo(draft, operation, cause, movement.reason or Reason.DECLINED, movement.provider_reason)
    return verdict.unfinished


def is_known(payment: Payment, claimed: Observation | None, now: datetime) -> bool:
    """Whether the books have all that a provider is said to show, without proof: then there is nothing to ask about. ``None``:
    nothing is said. Nothing of it is taken over."""
    if claimed is None or payment.contradiction is not None:
        return False
    draft = Draft(payment, now)
    try:
        apply_observation(draft, claimed, decides=False)
    except BillingError:
        return False
    return draft.payment is payment  # a question changes it, too


def _is_ours(draft: Draft, order_ref: str, observed: Observation) -> bool:
    """Whether the observation is about the payment's order.

    Where opening is not idempotent at a provider, a call whose answer was lost leaves a second order for the same
    operation, whose page no customer has. Its expiry is no evidence about the payment's order. If money was taken by
    it, it becomes the payment's order.
    """
    opened = draft.payment.charge
    draft.name_order(opened, order_ref)
    if order_ref == draft.payment.order_ref:
        return True
    if observed.status not in (PaymentStatus.AUTHORIZED, PaymentStatus.CAPTURED):
        return False
    if draft.payment.authorized:
        raise InvalidMessage(f"{draft.payment.id} is paid as {draft.payment.order_ref}, and again as {order_ref}")
    draft.rename_order(opened, order_ref)
    return True
