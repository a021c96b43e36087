"""A provider that captures otherwise than the payment asked: where two stages are a setting of the merchant there, the
setting is another one than ours."""

from billing.messages import Message, ProviderCallback, ProviderResult
from billing.payments.model import Payment
from billing.vocabulary import Action, CaptureMode, OperationType, PaymentStatus


def shows_another_mode(payment: Payment, message: Message) -> bool:
    """Whether ``message`` is the first report that a payment in two stages was captured without a request of ours, or
    the answer to an inquiry that one in one stage is still held. (Providers may tell of the hold of one stage in
    passing: callbacks prove nothing.) ``payment``: before the message."""
    match message:
        case ProviderResult(observed=observed, provider=provider):
            pass
        case ProviderCallback(observed=observed, provider=provider, ask=False):
            pass
        case _:
            return False
    if observed is None or provider != payment.provider:
        return False
    if payment.capture_mode is CaptureMode.TWO_STAGE:
        requested = any(o.type is OperationType.CAPTURE for o in payment.standing)
        return observed.status is PaymentStatus.CAPTURED and not requested
    asked = isinstance(message, ProviderResult) and message.action is Action.INQUIRE
    return asked and observed.status is PaymentStatus.AUTHORIZED and payment.status is PaymentStatus.AUTHORIZED
