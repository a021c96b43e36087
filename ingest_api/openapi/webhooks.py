"""Callbacks of the providers, as the OpenAPI document tells it: what each sends and wants to hear."""

from collections.abc import Mapping
from typing import Any, Final

from ingest_api.openapi.fragments import header, json_content, problems
from ingest_api.problems import Problem

_OBJECT: Final = {"type": "object"}
_STORED: Final = "The callback is stored"
_UNPROVEN: Final = "The sender is not proven; the body is what the provider's document asks for"
_UNREADABLE: Final = "Not what the provider sends"


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
        "tags": ["webhooks"],
        "summary": f"A callback of {provider}",
        "description": description,
        "responses": {**answers, **shared},
        "openapi_extra": {"parameters": list(headers), "requestBody": {"required": True, "content": sent}},
    }


def _yandex_failure(code: str, reason: str) -> dict[str, Any]:
    return json_content(_OBJECT, {"status": "fail", "reasonCode": code, "reason": reason})


#: Provider → the documentation of its callbacks.
WEBHOOKS: Final[Mapping[str, dict[str, Any]]] = {
    "yandex-pay": _callback(
        "Yandex Pay",
        "A token (JWT, ES256) signed with one of the keys that Yandex Pay publishes.",
        _text("application/octet-stream", "eyJhbGciOiJFUzI1NiIsImtpZCI6IjEifQ.eyJ9.c2ln"),
        json_content(_OBJECT, {"status": "success"}),
        {
            403: _yandex_failure("FORBIDDEN", "the signature does not match"),
            503: _yandex_failure("OTHER", "the keys are not available"),
        },
    ),
    "yookassa": _callback(
        "YooKassa",
        "Not signed: taken from YooKassa's addresses only, and the provider is asked before money moves.",
        json_content(
            _OBJECT,
            {
                "type": "notification",
                "event": "payment.succeeded",
                "object": {"id": "22d6d597-000f-5000-9000-145f6df21d6f", "status": "succeeded", "paid": True},
            },
        ),
        json_content(_OBJECT, {}),
        {400: json_content(_OBJECT, {}), 403: json_content(_OBJECT, {})},
    ),
    "stripe": _callback(
        "Stripe",
        "Signed with the endpoint's secret in `Stripe-Signature`.",
        json_content(_OBJECT, {"id": "evt_1", "object": "event", "type": "payment_intent.succeeded"}),
        json_content(_OBJECT, {"received": True}),
        {400: json_content(_OBJECT, {"error": "no signature matches"})},
        header("Stripe-Signature", {"type": "string"}, "`t=<time>,v1=<signature>`"),
    ),
    "tbank": _callback(
        "T-Bank",
        "Signed with the terminal's password in the member `Token`.",
        json_content(_OBJECT, {"TerminalKey": "1700000000000DEMO", "OrderId": "1", "Token": "0" * 64}),
        _text("text/plain", "OK", const="OK"),
        {403: json_content(_OBJECT, {"error": "the token is wrong"})},
    ),
}
