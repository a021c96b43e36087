"""Opening and reading payments, as the OpenAPI document tells it."""

from typing import Any, Final

from ingest_api.openapi.fragments import (
    COMMAND_HEADERS,
    COMMAND_PROBLEMS,
    ETAG,
    GATE_PROBLEMS,
    IF_NONE_MATCH,
    LOCATION,
    NOT_MODIFIED,
    OWN_PAYMENT_PROBLEMS,
    PAYMENT_ID,
    RETRY_AFTER,
    SECURITY,
    answer,
    body,
    link,
    problems,
)
from ingest_api.payments.views import EXPANDABLE
from ingest_api.problems import Problem

PAYMENT_EXAMPLE: Final = {
    "id": "0d7a3c52-5a0e-5c39-9d7b-1f6e7f1c2a10",
    "status": "PENDING",
    "version": 2,
    "amount": 49900,
    "currency": "RUB",
    "authorized": 0,
    "captured": 0,
    "refunded": 0,
    "provider": "yandex-pay",
    "capture_mode": "ONE_STAGE",
    "customer_id": "c-1842",
    "order_id": "6d2b1f0e-6f0b-5b43-8a44-0c1d9c8e4b7f",
    "payment_url": "https://sandbox.pay.yandex.ru/l/xyz",
    "items": [
        {"product_id": "film-77", "title": "Stalker", "quantity": 1, "unit_price": 49900, "type": "DIGITAL"},
    ],
    "operations": [],
    "reason": None,
    "created_at": "2026-03-01T12:00:00Z",
    "updated_at": "2026-03-01T12:00:00.140000Z",
}

_CREATE_EXAMPLE: Final = {
    "customer_id": "c-1842",
    "currency": "RUB",
    "amount": 49900,
    "provider": "yandex-pay",
    "capture_mode": "ONE_STAGE",
    "cart": {
        "items": [
            {
                "product_id": "film-77",
                "title": "Stalker",
                "quantity": 1,
                "unit_price": 49900,
                "type": "DIGITAL",
                "tax": "vat20",
            }
        ]
    },
    "return_urls": {"success": "https://cinema.example/paid", "failure": "https://cinema.example/unpaid"},
    "contact": {"email": "viewer@example.com"},
    "metadata": {"campaign": "spring"},
}

#: What may follow on a new payment.
_NEXT: Final = {
    name: link(name, description, payment_id="$response.body#/id")
    for name, description in {
        "read_payment": "What became of it",
        "payment_events": "Its changes as they happen",
        "read_timeline": "All that happened to it",
        "read_operations": "What was done or tried",
        "capture_payment": "Take what is held",
        "void_payment": "Give back what is held",
        "refund_payment": "Give back what was taken",
        "cancel_payment": "Give it up unpaid",
    }.items()
}

CREATE_PAYMENT: Final[dict[str, Any]] = {
    "tags": ["payments"],
    "summary": "Open a payment",
    "description": "Waits for the provider's payment URL as long as `Prefer: wait` says, then answers 202. "
    "Without a `provider` the service's rules choose one, by currency, amount, `country` and `method`, and the next "
    "where that one does not take the payment: read `provider` and `payment_url` again when the customer returns.",
    "responses": {
        201: answer("The payment is open, or already final", "PaymentView", PAYMENT_EXAMPLE, LOCATION, _NEXT),
        202: answer(
            "The command is stored, its outcome is to come: read the payment at Location. Carries the whole payment "
            "where it is known.",
            "AcceptedView",
            {"id": PAYMENT_EXAMPLE["id"], "status": "PENDING", "payment_url": None},
            LOCATION | RETRY_AFTER,
            _NEXT,
        ),
        **problems(
            *COMMAND_PROBLEMS,
            Problem.REFUSED,
            Problem.CART_TOTAL_MISMATCH,
            Problem.UNKNOWN_PROVIDER,
            Problem.NO_PROVIDER,
            Problem.INVALID_ORDER,
        ),
    },
    "openapi_extra": {
        "security": SECURITY,
        "parameters": COMMAND_HEADERS,
        "requestBody": body("CreatePaymentIn", _CREATE_EXAMPLE),
    },
}

_EXPAND_PATTERN: Final = "^({0})(,({0}))*$".format("|".join(EXPANDABLE))

EXPAND: Final = {
    "name": "expand",
    "in": "query",
    "schema": {"type": "string", "pattern": _EXPAND_PATTERN},
    "example": "order,cart",
    "description": "`order`, `cart` or both, with a comma between",
}

READ_PAYMENT: Final[dict[str, Any]] = {
    "tags": ["payments"],
    "summary": "Read a payment",
    "responses": {
        200: answer("The payment as it is in the books", "ExpandedPayment", PAYMENT_EXAMPLE, ETAG),
        **NOT_MODIFIED,
        **problems(*GATE_PROBLEMS, *OWN_PAYMENT_PROBLEMS, Problem.INVALID_REQUEST),
    },
    "openapi_extra": {"security": SECURITY, "parameters": [PAYMENT_ID, EXPAND, IF_NONE_MATCH]},
}
