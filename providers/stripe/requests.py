"""Bodies of Stripe's requests. Amounts are integers of the currency's minor unit, as ours are."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

from billing.messages import ProviderRequest
from billing.money import EXPONENTS
from billing.reasons import Reason
from billing.vocabulary import Action, CaptureMode
from providers.base import Unsupported

#: Metadata that identifies our operations: the one that opened the payment or made the refund, its action, and the one
#: that captured.
OPERATION: Final = "operation"
ACTION: Final = "action"
CAPTURE: Final = "capture_operation"

#: A Checkout Session can be paid for 30 minutes to 24 hours after it is created, by Stripe's reference.
MIN_TTL: Final = timedelta(minutes=30)
MAX_TTL: Final = timedelta(hours=24)
#: ``expires_at`` must be the same on every attempt, so it counts from when the payment was recorded: a call that goes
#: out this much later still leaves the least time that Stripe takes.
LEEWAY: Final = timedelta(minutes=10)
#: Stripe accepts three-decimal amounts only with a last digit of zero.
STEP: Final = {currency: 10 for currency, decimals in EXPONENTS.items() if decimals == 3}  # noqa: PLR2004
#: Characters of a product's name.
MAX_NAME: Final = 250
#: Between customer and payment method in our reference of a saved method.
_SEPARATOR: Final = "/"


def checkout(request: ProviderRequest) -> dict[str, Any]:
    """POST /v1/checkout/sessions: a checkout page. ``client_reference_id`` is our operation."""
    order = request.order
    if order is None:
        raise Unsupported(Reason.INVALID_REQUEST)
    if order.return_urls is None:
        raise Unsupported(Reason.RETURN_URLS_REQUIRED)
    intent: dict[str, Any] = {
        "capture_method": "manual" if request.capture_mode is CaptureMode.TWO_STAGE else "automatic",
        "metadata": _named(request),
    }
    body: dict[str, Any] = {
        "mode": "payment",
        "client_reference_id": str(request.operation_id),
        "line_items": [
            {
                "quantity": item.quantity,
                "price_data": {
                    "currency": request.currency.lower(),
                    "unit_amount": _unit_price(item.unit_price, request.currency),
                    "product_data": {"name": item.title[:MAX_NAME]},
                },
            }
            for item in order.cart.items
        ],
        "payment_intent_data": intent,
        "success_url": order.return_urls.success,
        "cancel_url": order.return_urls.failure,
        "customer_email": None if order.contact is None else order.contact.email,
        "metadata": _named(request),
    }
    if request.save_method:
        intent["setup_future_usage"] = "off_session"
        body["customer_creation"] = "always"
    if request.opened_at is not None:
        expires = request.opened_at + min(max(timedelta(seconds=request.ttl_s), MIN_TTL) + LEEWAY, MAX_TTL)
        body["expires_at"] = int(expires.timestamp())
    return body


def charge(request: ProviderRequest) -> dict[str, Any]:
    """POST /v1/payment_intents: a saved method is charged at once, the customer absent."""
    customer, method = _saved(request.saved_method)
    return {
        "amount": request.amount,
        "currency": request.currency.lower(),
        "customer": customer,
        "payment_method": method,
        "off_session": True,
        "confirm": True,
        "capture_method": "automatic",
        "metadata": _named(request),
    }


def capture(request: ProviderRequest) -> dict[str, Any]:
    """POST /v1/payment_intents/{id}/capture. A smaller amount releases the rest."""
    return {"amount_to_capture": request.amount, "metadata": {CAPTURE: str(request.operation_id)}}


def refund(request: ProviderRequest, payment_intent: str) -> dict[str, Any]:
    """POST /v1/refunds. There is no field for our free-text reason; of Stripe's reasons the customer's request is the nearest."""
    return {**refund_rest(request, payment_intent), "amount": request.amount}


def refund_rest(request: ProviderRequest, payment_intent: str) -> dict[str, Any]:
    """POST /v1/refunds without an amount: the whole remainder."""
    return {"payment_intent": payment_intent, "reason": "requested_by_customer", "metadata": _named(request)}


def _unit_price(minor: int, currency: str) -> int:
    """The total may be a multiple of the step where the price of one is not."""
    if minor % STEP.get(currency, 1):
        raise Unsupported(Reason.UNSUPPORTED_AMOUNT)
    return minor


def method_ref(customer: str, payment_method: str) -> str:
    """Our reference of a saved method: Stripe charges it only together with its customer."""
    return f"{customer}{_SEPARATOR}{payment_method}"


def _saved(reference: str | None) -> tuple[str, str]:
    customer, separator, method = (reference or "").partition(_SEPARATOR)
    if not (customer and separator and method):
        raise Unsupported(Reason.INVALID_REQUEST)
    return customer, method


def _named(request: ProviderRequest) -> dict[str, str]:
    action = Action.REFUND if request.action is Action.ROLLBACK else request.action
    return {OPERATION: str(request.operation_id), ACTION: action.value}


def encode(body: Mapping[str, Any]) -> str:
    """A body as Stripe's API reads it: a form with nested parameters in brackets, ``line_items[0][quantity]=1``, in the
    order of its keys. Booleans are ``true`` and ``false``; ``None`` is left out."""
    return urlencode([pair for name, value in body.items() for pair in _pairs(name, value)])


def _pairs(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _pairs(f"{name}[{key}]", inner)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, inner in enumerate(value):
            yield from _pairs(f"{name}[{index}]", inner)
    else:
        yield name, str(value).lower() if isinstance(value, bool) else str(value)
