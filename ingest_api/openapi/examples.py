"""Examples of the document, by the name of the schema they fit."""

from typing import Any, Final

from ingest_api.problems import Problem
from providers.registry import PLUGINS

_PROVIDER: Final = next(iter(PLUGINS))
_PAYMENT: Final = {
    "id": "0d7a3c52-5a0e-5c39-9d7b-1f6e7f1c2a10",
    "status": "PENDING",
    "version": 2,
    "amount": 49900,
    "currency": "RUB",
    "authorized": 0,
    "captured": 0,
    "refunded": 0,
    "provider": _PROVIDER,
    "capture_mode": "ONE_STAGE",
    "customer_id": "c-1842",
    "order_id": "6d2b1f0e-6f0b-5b43-8a44-0c1d9c8e4b7f",
    "payment_url": "https://pay.example/l/xyz",
    "items": [
        {"product_id": "film-77", "title": "Stalker", "quantity": 1, "unit_price": 49900, "type": "DIGITAL"},
    ],
    "operations": [],
    "metadata": {"campaign": "spring"},
    "reason": None,
    "created_at": "2026-03-01T12:00:00Z",
    "updated_at": "2026-03-01T12:00:00.140000Z",
}

_OPERATION: Final = {
    "id": "c1a2b3d4-5e6f-5a7b-8c9d-0e1f2a3b4c5d",
    "type": "REFUND",
    "status": "SUCCESS",
    "amount": 10000,
    "provider": _PROVIDER,
    "provider_ref": None,
    "reason": "changed their mind",
    "provider_reason": None,
    "created_at": "2026-03-02T12:00:00Z",
    "updated_at": "2026-03-02T12:00:01Z",
}

_MISMATCH: Final = Problem.CART_TOTAL_MISMATCH
_PROBLEM_TYPE: Final = {
    "type": _MISMATCH.uri,
    "status": _MISMATCH.status,
    "title": _MISMATCH.title,
    "cause": _MISMATCH.cause,
    "resolution": _MISMATCH.resolution,
    "cure": _MISMATCH.resolution,
}

_METHOD: Final = {
    "id": "7b0d5a4e-2f1c-5d7e-9a3b-6c8d0e1f2a3b",
    "customer_id": "c-1842",
    "provider": _PROVIDER,
    "title": "Mir *4242",
    "expires_on": "2028-04-30",
    "status": "ACTIVE",
    "reason": None,
    "created_at": "2026-03-01T12:00:00Z",
    "updated_at": "2026-03-01T12:01:10Z",
}

_RESULT: Final = {**_OPERATION, "payment_id": _PAYMENT["id"], "payment": _PAYMENT}
EXAMPLES: Final[dict[str, Any]] = {
    "PaymentView": _PAYMENT,
    "ExpandedPayment": _PAYMENT,
    "AcceptedView": {"id": _PAYMENT["id"], "status": "PENDING", "payment_url": None},
    "PaymentPage": {"data": [_PAYMENT], "has_more": False, "next_cursor": None},
    "OperationList": {"data": [_OPERATION]},
    "OperationResult": _RESULT,
    "Timeline": {
        "data": [
            {
                "at": "2026-03-01T12:00:00.140000Z",
                "kind": "transition",
                "summary": "v3 PENDING → CAPTURED (CAPTURE SUCCESS)",
            }
        ]
    },
    "CreatePaymentIn": {
        "customer_id": "c-1842",
        "currency": "RUB",
        "amount": 49900,
        "provider": _PROVIDER,
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
    },
    "PaymentMethodView": _METHOD,
    "PaymentMethodList": {"data": [_METHOD]},
    "CaptureIn": {
        "amount": 39900,
        "cart": {"items": [{"product_id": "film-77", "title": "Stalker", "quantity": 1, "unit_price": 39900}]},
    },
    "VoidIn": {"reason": "not in stock"},
    "RefundIn": {"reason": "changed their mind", "amount": 10000},
    "CancelIn": {"reason": "the customer left"},
    "Liveness": {"live": True},
    "Readiness": {"ready": True, "reasons": []},
    "ProblemType": _PROBLEM_TYPE,
    "ProblemTypes": {"problems": [_PROBLEM_TYPE]},
}

#: Of a response with 202: the outcome is not known yet.
EXAMPLES_IN_PROGRESS: Final[dict[str, Any]] = {
    **EXAMPLES,
    "OperationResult": {**_RESULT, "status": "PENDING", "payment": None},
}


def problem_examples() -> dict[str, dict[str, Any]]:
    """An example of every problem type, by its code."""
    return {
        problem.code: {
            "summary": problem.cause,
            "value": {
                "type": problem.uri,
                "title": problem.title,
                "status": problem.status,
                "request_id": "0af7651916cd43dd8448eb211c80319c",
            },
        }
        for problem in Problem
    }
