"""Which requests open a payment at Stripe, and its refusals of the others."""

import time
import uuid
from collections.abc import Mapping
from typing import Any, Final

from providers.sandbox.ledger import Order
from providers.sandbox.stripe import parameters, serializers
from providers.sandbox.stripe.parameters import invalid

PROVIDER: Final = "stripe"
#: How long a session can be paid, seconds from now.
TTL_S: Final = range(30 * 60, 24 * 3600 + 1)
#: The minimum amount of a payment, minor units, of the currencies whose minimum Stripe publishes and that we support.
MINIMUMS: Final = {"USD": 50, "EUR": 50, "GBP": 30, "JPY": 50}
MAX_LINES: Final = 100


def session(params: Mapping[str, Any]) -> Order:
    """POST /v1/checkout/sessions."""
    if parameters.text(params, "mode") != "payment":
        raise invalid("only payments are imitated", "mode")
    lines, currency = _lines(params)
    intent = parameters.nested(params, "payment_intent_data")
    now = time.time()
    expires = parameters.integer(params, "expires_at") if "expires_at" in params else now + TTL_S[-1]
    if not TTL_S[0] <= expires - now <= TTL_S[-1]:
        raise invalid("expires_at is between 30 minutes and 24 hours from now", "expires_at")
    return _order(
        serializers.SESSION + uuid.uuid4().hex,
        currency,
        sum(amount for _, amount in lines),
        expires,
        intent,
        redirect={
            "onSuccess": parameters.text(params, "success_url"),
            "onError": str(params.get("cancel_url", "")),
        },
        client_reference_id=params.get("client_reference_id"),
        session_metadata=parameters.nested(params, "metadata"),
        lines=lines,
    )


def intent(params: Mapping[str, Any]) -> Order:
    """POST /v1/payment_intents."""
    currency = parameters.text(params, "currency").upper()
    amount = parameters.money(params, "amount", currency)
    order = _order(serializers.INTENT + uuid.uuid4().hex, currency, amount, time.time() + TTL_S[-1], params)
    order.details |= {name: params[name] for name in ("customer", "payment_method") if name in params}
    return order


def _order(
    id: str,
    currency: str,
    amount: int,
    expires: float,
    intent: Mapping[str, Any],
    redirect: dict[str, str] | None = None,
    **details: Any,
) -> Order:
    if amount < MINIMUMS.get(currency, 1):
        raise invalid("Amount must be at least what a payment costs", "amount", "amount_too_small")
    method = intent.get("capture_method", "automatic")
    if method not in ("automatic", "automatic_async", "manual"):
        raise invalid(f"Invalid capture_method: {method}", "capture_method")
    metadata = parameters.nested(intent, "metadata")
    order = Order(
        id, PROVIDER, currency, amount, "PENDING", time.time(), expires,
        two_stage=method == "manual", redirect=redirect or {},
    )  # fmt: skip
    saves = intent.get("setup_future_usage") == "off_session"
    order.details = {"metadata": metadata, "charge_metadata": metadata, "saves": saves, **details}
    return order


def _lines(params: Mapping[str, Any]) -> tuple[list[tuple[str, int]], str]:
    lines, currencies = [], set()
    for item in parameters.items(params, "line_items"):
        price = parameters.nested(item, "price_data")
        currency = parameters.text(price, "currency").upper()
        quantity = parameters.integer(item, "quantity")
        name = parameters.text(parameters.nested(price, "product_data"), "name")
        if quantity < 1:
            raise invalid("Invalid quantity", "line_items")
        lines.append((name, quantity * parameters.money(price, "unit_amount", currency)))
        currencies.add(currency)
    if not 1 <= len(lines) <= MAX_LINES or len(currencies) != 1:
        raise invalid("one to a hundred lines of one currency", "line_items")
    return lines, currencies.pop()
