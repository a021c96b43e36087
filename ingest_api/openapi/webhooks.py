"""The documentation of provider callbacks: what each provider sends, and which response it expects."""

from collections.abc import Mapping
from typing import Any, Final

from ingest_api.openapi.responses import problems
from ingest_api.problems import Problem

_OBJECT: Final = {"type": "object"}
_STORED: Final = "The callback is stored"
_UNPROVEN: Final = "The sender is not verified; the body is what the provider's documentation requires"
_UNREADABLE: Final = "Not what the provider sends"


def _json(example: Any) -> dict[str, Any]:
    return {"application/json": {"schema": _OBJECT, "example": example}}


def _text(media_type: str, example: str, **schema: Any) -> dict[str, Any]:
    return {media_type: {"schema": {"type": "string", **schema}, "example": example}}


def _callback(
    provider: str,
    description: str,
    sent: dict[str, Any],
    stored: dict[str, Any],
    refusals: dict[int, dict[str, Any]],
    *headers: dict[str, Any],
) -> dict[str, Any]:
    answers: dict[int | str, Any] = {200: {"description": _STORED, "content": stored}}
    answers |= {
        status: {"description": _UNREADABLE if status == 400 else _UNPROVEN, "content": content}  # noqa: PLR2004
        for status, content in refusals.items()
    }
    shared = problems(Problem.SLOW_REQUEST, Problem.BODY_TOO_LARGE, Problem.UNAVAILABLE)
    if (own := answers.pop(Problem.UNAVAILABLE.status, None)) is not None:
        shared[Problem.UNAVAILABLE.status]["content"] |= own["content"]
    return {
        "summary": f"A callback of {provider}",
        "description": description,
        "responses": {**answers, **shared},
        "openapi_extra": {"parameters": list(headers), "requestBody": {"required": True, "content": sent}},
    }


def _yandex_failure(code: str, reason: str) -> dict[str, Any]:
    return _json({"status": "fail", "reasonCode": code, "reason": reason})


#: Provider → the documentation of its callbacks.
WEBHOOKS: Final[Mapping[str, dict[str, Any]]] = {
    "yandex-pay": _callback(
        "Yandex Pay",
        "A token (JWT, ES256) signed with one of the keys that Yandex Pay publishes.",
        _text("application/octet-stream", "eyJhbGciOiJFUzI1NiIsImtpZCI6IjEifQ.eyJ9.c2ln"),
        _json({"status": "success"}),
        {
            403: _yandex_failure("FORBIDDEN", "the signature does not match"),
            503: _yandex_failure("OTHER", "the keys are not available"),
        },
    ),
    "yookassa": _callback(
        "YooKassa",
        "Not signed: accepted from YooKassa's addresses only, and confirmed by a query to the provider before money moves.",
        _json(
            {
                "type": "notification",
                "event": "payment.succeeded",
                "object": {"id": "22d6d597-000f-5000-9000-145f6df21d6f", "status": "succeeded", "paid": True},
            },
        ),
        _json({}),
        {400: _json({}), 403: _json({})},
    ),
    "stripe": _callback(
        "Stripe",
        "Signed with the endpoint's secret in `Stripe-Signature`.",
        _json({"id": "evt_1", "object": "event", "type": "payment_intent.succeeded"}),
        _json({"received": True}),
        {400: _json({"error": "no signature matches"})},
        {
            "name": "Stripe-Signature",
            "in": "header",
            "required": False,
            "schema": {"type": "string"},
            "description": "`t=<time>,v1=<signature>`",
        },
    ),
    "tbank": _callback(
        "T-Bank",
        "Signed with the terminal's password in the member `Token`.",
        _json({"TerminalKey": "1700000000000DEMO", "OrderId": "1", "Token": "0" * 64}),
        _text("text/plain", "OK", const="OK"),
        {403: _json({"error": "the token is wrong"})},
    ),
}
