"""A provider that captures otherwise than the payment asked: where two stages are a setting of the merchant there, the
setting is another one than ours."""

from billing.messages import Message, ProviderResult
from billing.payments.model import Payment
from billing.vocabulary import Action, CaptureMode, OperationType, PaymentStatus


def shows_another_mode(payment: Payment, message: Message) -> bool:
    """Whether ``message`` is the first answer that a payment in two stages was captured without a request of ours, or the
    answer to an inquiry that one in one stage is still held. Callbacks prove nothing. ``payment``: before the message."""
    if not isinstance(message, ProviderResult) or message.provider != payment.provider or message.observed is None:
        return False
    status = message.observed.status
    if payment.capture_mode is CaptureMode.TWO_STAGE:
        requested = any(o.type is OperationType.CAPTURE for o in payment.standing)
        return status is PaymentStatus.CAPTURED and payment.status is PaymentStatus.PENDING and not requested
    asked = message.action is Action.INQUIRE
    return asked and status is PaymentStatus.AUTHORIZED and payment.status is PaymentStatus.AUTHORIZED
