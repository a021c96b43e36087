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
    "charged_back": 0,
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
_PRICE: Final = {
    "id": "5d9f0a4b-3c21-5e7d-8b6a-2f1e0d9c8b7a",
    "plan": "cinema",
    "version": 1,
    "title": "Cinema",
    "currency": "RUB",
    "amount": 39900,
    "interval": "MONTH",
    "interval_count": 1,
    "products": ["cinema"],
    "tax": "vat20",
    "refund_on_cancel": "PRORATED",
}
_PLAN: Final = {
    "id": "cinema",
    "group": "cinema",
    "title": "Cinema",
    "prices": [_PRICE],
    "created_at": "2026-01-15T09:00:00Z",
    "archived_at": None,
}
_PERIOD: Final = {
    "number": 2,
    "life": 1,
    "start_at": "2026-02-28T07:00:00Z",
    "end_at": "2026-03-31T07:00:00Z",
    "status": "PAID",
    "amount": 39900,
    "currency": "RUB",
    "price": _PRICE["id"],
    "payment": _PAYMENT["id"],
}
_ATTEMPT: Final = {
    "payment": "2b7e9c10-4d3f-5a68-9c1b-7e6d5c4b3a29",
    "period": 3,
    "number": 1,
    "purpose": "RENEWAL",
    "trigger": "SCHEDULE",
    "state": "FAILED",
    "amount": 39900,
    "currency": "RUB",
    "provider": _PROVIDER,
    "payment_method": "7b0d5a4e-2f1c-5d7e-9a3b-6c8d0e1f2a3b",
    "decline": "SOFT",
    "reason": "insufficient_funds",
    "requested_at": "2026-03-31T07:12:00Z",
    "ended_at": "2026-03-31T07:12:02Z",
}
_SUBSCRIPTION: Final = {
    "id": "9c4e2d1a-7b3f-5c80-a1d2-3e4f5a6b7c8d",
    "status": "PAST_DUE",
    "version": 7,
    "life": 1,
    "customer_id": "c-1842",
    "plan": "cinema",
    "price": _PRICE,
    "provider": _PROVIDER,
    "zone": "Europe/Moscow",
    "billing_day": 31,
    "current_period": _PERIOD,
    "access_until": "2026-04-03T07:00:00Z",
    "payment_method": {
        "id": "7b0d5a4e-2f1c-5d7e-9a3b-6c8d0e1f2a3b",
        "provider": _PROVIDER,
        "title": "Mir *4242",
        "expires_on": "2028-04-30",
    },
    "latest_payment": None,
    "dunning": {
        "period": 3,
        "decline": "SOFT",
        "reason": "insufficient_funds",
        "attempts": 1,
        "next_try_at": "2026-04-01T08:23:00Z",
        "grace_until": "2026-04-03T07:00:00Z",
        "gives_up_at": "2026-04-21T07:00:00Z",
    },
    "cancel_at": None,
    "cancel_reason": None,
    "ended_at": None,
    "end_reason": None,
    "next_action": {"kind": "RETRY", "at": "2026-04-01T08:23:00Z"},
    "test_clock": None,
    "metadata": {"campaign": "spring"},
    "created_at": "2026-01-31T07:00:00Z",
    "updated_at": "2026-03-31T07:12:02Z",
}
_CANCELLATION: Final = {
    "refunded": 0,
    "currency": "RUB",
    "ends_at": "2026-03-31T07:00:00Z",
    "access_until": "2026-03-31T07:00:00Z",
    "subscription": None,
}
_CLOCK: Final = {
    "id": "1f0c2d3e-4b5a-5968-8776-5a4b3c2d1e0f",
    "name": "a year of subscribers",
    "status": "ADVANCING",
    "now_at": "2026-03-31T07:12:00Z",
    "target_at": "2027-01-31T07:00:00Z",
    "subscriptions": 100,
    "charges_open": 3,
    "created_at": "2026-03-01T12:00:00Z",
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
    "CreatePlanIn": {"id": "cinema", "title": "Cinema"},
    "AddPriceIn": {
        "currency": "RUB",
        "amount": 39900,
        "interval": "MONTH",
        "products": ["cinema"],
        "tax": "vat20",
    },
    "SubscribeIn": {
        "customer_id": "c-1842",
        "plan": "cinema",
        "currency": "RUB",
        "consent": {
            "terms_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "shown": {"price": "399 ₽ a month", "cancel": "in the profile, at any time"},
        },
        "return_urls": {"success": "https://cinema.example/paid", "failure": "https://cinema.example/unpaid"},
        "contact": {"email": "viewer@example.com"},
    },
    "CancelSubscriptionIn": {"when": "AT_END", "comment": "too few films"},
    "KeepSubscriptionIn": {},
    "PayNowIn": {},
    "ChangeMethodIn": {"payment_method_id": _METHOD["id"]},
    "ExtendIn": {"until": "2026-04-30T07:00:00Z", "reason": "an outage on 3 March"},
    "CreateTestClockIn": {"name": "a year of subscribers", "at": "2026-01-31T07:00:00Z"},
    "AdvanceTestClockIn": {"to": "2027-01-31T07:00:00Z"},
    "TestClockView": _CLOCK,
    "PlanView": _PLAN,
    "PlanList": {"data": [_PLAN]},
    "PriceView": _PRICE,
    "SubscriptionView": _SUBSCRIPTION,
    "SubscriptionPage": {"data": [_SUBSCRIPTION], "has_more": False, "next_cursor": None},
    "AcceptedSubscription": {"id": _SUBSCRIPTION["id"]},
    "CancellationView": _CANCELLATION,
    "PeriodList": {"data": [_PERIOD]},
    "AttemptList": {"data": [_ATTEMPT]},
    "Forecast": {
        "data": [
            {
                "at": "2026-04-01T08:23:00Z",
                "local": "2026-04-01T11:23:00+03:00",
                "what": "CHARGE",
                "detail": "RETRY",
                "period": 3,
                "amount": 39900,
                "currency": "RUB",
                "status": "PAST_DUE",
                "access_until": "2026-04-03T07:00:00Z",
            }
        ]
    },
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
