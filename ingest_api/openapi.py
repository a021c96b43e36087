"""What the OpenAPI document says beyond what the routes tell by themselves."""

from typing import Any, Final

import msgspec

from ingest_api.body import BODY_DEADLINE_S
from ingest_api.payment_view import AcceptedView, PaymentView
from ingest_api.problems import MEDIA_TYPE, Problem
from ingest_api.schemas import CreatePaymentIn

DESCRIPTION: Final = f"""Payments of the cinema: open one, send the customer to its `payment_url`, read what became of it.

- Amounts are integers in minor units (kopecks, cents). Times are RFC 3339 in UTC.
- A 2xx means that the request is stored. Commands carry an `Idempotency-Key`: repeat a command with the same key and
  body as often as you like, it happens once.
- Errors are problem documents (RFC 9457); `type` never changes and resolves to its description, all are listed at
  [/problems](/problems). Every answer carries an `X-Request-Id`.
- A body has to arrive within {BODY_DEADLINE_S:g} seconds.
"""

_REF: Final = "#/components/schemas/{name}"
_SHARED: Final = (Problem.INTERNAL,)

PROBLEM_SCHEMA: Final = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "examples": [Problem.INVALID_REQUEST.uri]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "RFC 6901, from the body's root"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}

_PAYMENT_EXAMPLE: Final = {
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

_LOCATION: Final = {"Location": {"description": "the payment", "schema": {"type": "string"}}}
_RETRY_AFTER: Final = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}


def _payment(description: str, schema: str, example: dict[str, Any], headers: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": _REF.format(name=schema)}, "example": example}}
    return {"description": description, "headers": headers, "content": content}


def problems(*used: Problem) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that can answer with these problems, with an example of each."""
    responses: dict[int | str, dict[str, Any]] = {}
    for problem in (*used, *_SHARED):
        response = responses.setdefault(
            problem.status,
            {
                "description": problem.title,
                "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}, "examples": {}}},
            },
        )
        response["content"][MEDIA_TYPE]["examples"][problem.code] = {
            "summary": problem.cause,
            "value": {"type": problem.uri, "title": problem.title, "status": problem.status},
        }
    return responses


def _header(name: str, schema: dict[str, Any], description: str, *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": required, "schema": schema, "description": description}


CREATE_PAYMENT: Final[dict[str, Any]] = {
    "tags": ["payments"],
    "summary": "Open a payment",
    "description": "Waits for the provider's payment URL as long as `Prefer: wait` says, then answers 202.",
    "responses": {
        201: _payment("The payment is open, or already final", "PaymentView", _PAYMENT_EXAMPLE, _LOCATION),
        202: _payment(
            "The command is stored, its outcome is to come: read the payment at Location. Carries the whole payment "
            "where it is known.",
            "AcceptedView",
            {"id": _PAYMENT_EXAMPLE["id"], "status": "PENDING", "payment_url": None},
            _LOCATION | _RETRY_AFTER,
        ),
        **problems(
            Problem.MALFORMED_JSON,
            Problem.INVALID_IDEMPOTENCY_KEY,
            Problem.UNAUTHORIZED,
            Problem.SLOW_BODY,
            Problem.REFUSED,
            Problem.BODY_TOO_LARGE,
            Problem.UNSUPPORTED_MEDIA_TYPE,
            Problem.INVALID_REQUEST,
            Problem.CART_TOTAL_MISMATCH,
            Problem.UNKNOWN_PROVIDER,
            Problem.INVALID_ORDER,
            Problem.IDEMPOTENCY_KEY_REUSED,
            Problem.UNAVAILABLE,
        ),
    },
    "openapi_extra": {
        "security": [{"api_key": []}],
        "parameters": [
            _header(
                "Idempotency-Key",
                {"type": "string", "pattern": "^[!-~]{1,255}$"},
                "names the command: the same key and body reach the same payment",
                required=True,
            ),
            _header(
                "Prefer",
                {"type": "string", "examples": ["wait=5", "respond-async"]},
                "RFC 7240: `wait=N` seconds to wait for the payment URL, `respond-async` for not waiting",
            ),
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": _REF.format(name="CreatePaymentIn")},
                    "example": _CREATE_EXAMPLE,
                }
            },
        },
    },
}

READ_PAYMENT: Final[dict[str, Any]] = {
    "tags": ["payments"],
    "summary": "Read a payment",
    "responses": {
        200: _payment("The payment as it is in the books", "PaymentView", _PAYMENT_EXAMPLE, {}),
        **problems(Problem.UNAUTHORIZED, Problem.PAYMENT_NOT_FOUND, Problem.UNAVAILABLE),
    },
    "openapi_extra": {
        "security": [{"api_key": []}],
        "parameters": [
            {"name": "payment_id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}},
        ],
    },
}

WEBHOOK: Final[dict[str, Any]] = {
    "tags": ["webhooks"],
    "responses": {
        200: {"description": "The callback is stored"},
        403: {"description": "The sender is not proven; the body is what the provider's document asks for"},
        **problems(Problem.SLOW_BODY, Problem.BODY_TOO_LARGE, Problem.UNAVAILABLE),
    },
    "openapi_extra": {
        "requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string"}}}},
    },
}

LIVE: Final[dict[str, Any]] = {
    "tags": ["health"],
    "summary": "The process answers",
    "responses": {200: {"description": "Alive"}},
}

METRICS: Final[dict[str, Any]] = {
    "tags": ["health"],
    "summary": "Prometheus metrics",
    "responses": {200: {"description": "Prometheus' text format"}},
}

LIST_PROBLEMS: Final[dict[str, Any]] = {
    "tags": ["problems"],
    "summary": "All problem types",
    "responses": {200: {"description": "Every problem type with its cause and cure"}},
}

READY: Final[dict[str, Any]] = {
    "tags": ["health"],
    "summary": "Requests can be taken",
    "responses": {
        200: {"description": "Ready"},
        503: {"description": "Not ready; `reasons` says why"},
    },
}

READ_PROBLEM: Final[dict[str, Any]] = {
    "tags": ["problems"],
    "summary": "What a problem type means",
    "responses": {200: {"description": "Its cause and its cure"}, **problems(Problem.NOT_FOUND)},
    "openapi_extra": {
        "parameters": [{"name": "code", "in": "path", "required": True, "schema": {"type": "string"}}],
    },
}


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Add the schemas and the security scheme that the routes refer to."""
    _, views = msgspec.json.schema_components((PaymentView, AcceptedView), ref_template=_REF)
    request = CreatePaymentIn.model_json_schema(ref_template="#/components/schemas/{model}")
    components = document.setdefault("components", {})
    components["schemas"] = {
        **components.get("schemas", {}),
        **views,
        **request.pop("$defs"),
        "CreatePaymentIn": request,
        "Problem": PROBLEM_SCHEMA,
    }
    components["securitySchemes"] = {"api_key": {"type": "http", "scheme": "bearer"}}
    return document
