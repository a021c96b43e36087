"""Requests to providers. A request is built from the payment alone, so it can be built again."""

from billing.messages import Books, ProviderRequest, ReplyTo
from billing.orders import RENEWAL
from billing.payments.model import Operation, Payment
from billing.payments.refundable_cart import cart_after, returned_cart
from billing.vocabulary import Action, Lane, OperationType


def build_request(
    payment: Payment, operation: Operation, action: Action, reply_to: ReplyTo | None = None
) -> ProviderRequest:
    """The request for ``action`` on behalf of ``operation``, whose id is the idempotency key."""
    opens = action in (Action.CREATE, Action.RECUR)
    cart = operation.cart
    refundable = None
    open_refunds: tuple[int, ...] = ()
    refunded_cart = None
    if operation.type is OperationType.REFUND and action in (Action.REFUND, Action.ROLLBACK):
        # The provider itself makes the receipt of a refund that undoes the whole payment.
        whole = operation.cart is None and operation.amount == payment.captured
        refunded_cart = None if whole else returned_cart(payment, operation)
    if operation.type is OperationType.REFUND and action is Action.REFUND:
        refundable = payment.captured - payment.refunded
        open_refunds = tuple(o.amount for o in payment.open_refunds if o.id != operation.id)
        cart = None if operation.amount == refundable else cart_after(payment, operation)
    return ProviderRequest(
        payment_id=payment.id,
        operation_id=operation.id,
        provider=operation.provider,
        action=action,
        order_ref=payment.order_ref_at(operation.provider),
        currency=payment.order.currency,
        amount=operation.amount,
        capture_mode=payment.capture_mode,
        order=payment.order if opens else None,
        cart=cart,
        ttl_s=max(0, round((payment.expires_at - payment.created_at).total_seconds())),
        save_method=payment.save_method,
        saved_method=payment.saved_method if action is Action.RECUR else None,
        reason=operation.reason,
        opened_at=payment.created_at,
        contact=payment.order.contact,
        refunded_cart=refunded_cart,
        refundable_before=refundable,
        open_refund_amounts=open_refunds,
        reply_to=reply_to,
        books=books_of(payment) if operation.provider == payment.provider else None,
        not_after=payment.not_after if opens else None,
        lane=_lane(payment, operation),
    )


def _lane(payment: Payment, operation: Operation) -> Lane:
    """A renewal is charged and asked about in its own lane; a person may wait for anything else."""
    subscription = payment.order.subscription
    renews = subscription is not None and subscription.purpose == RENEWAL
    return Lane.RENEWAL if renews and operation.type is OperationType.RECURRING else Lane.INTERACTIVE


def books_of(payment: Payment) -> Books:
    """The books that an answer is about, where nothing changed since the question."""
    return Books(payment.status, payment.authorized, payment.captured, payment.refunded)
