"""Lists of payments and their timelines, as the OpenAPI document tells it."""

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from billing.vocabulary import PaymentStatus
from ingest_api.openapi.fragments import (
    ETAG,
    GATE_PROBLEMS,
    IF_NONE_MATCH,
    NOT_MODIFIED,
    OWN_PAYMENT_PROBLEMS,
    PAYMENT_ID,
    REF,
    SECURITY,
    header,
    json_content,
    problems,
)
from ingest_api.openapi.payments import EXPAND, PAYMENT_EXAMPLE
from ingest_api.payments.list import LIMIT_DEFAULT, LIMIT_MAX, encode_cursor
from ingest_api.payments.schemas import MAX_ID
from ingest_api.problems import Problem
from storage.payments.lists import Place

_ID_PATTERN: Final = f"^[!-~]{{1,{MAX_ID}}}$"
_CURSOR_EXAMPLE: Final = encode_cursor(Place(datetime(2026, 3, 1, 12, tzinfo=UTC), UUID(int=1)))


def _query(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": {"type": "string", **schema}}


def _page(item: str, example: dict[str, Any], **more: Any) -> dict[str, Any]:
    properties = {"data": {"type": "array", "items": {"$ref": REF.format(name=item)}}, **more}
    return json_content({"type": "object", "required": list(properties), "properties": properties}, example)


LIST_PAYMENTS: Final[dict[str, Any]] = {
    "tags": ["payments"],
    "summary": "List payments",
    "description": "Newest first. Filters may be put together. For the next page repeat the request with `cursor`, or "
    "follow the Link header.",
    "responses": {
        200: {
            "description": "A page",
            "headers": {**ETAG, "Link": {"description": 'rel="next"', "schema": {"type": "string"}}},
            "content": _page(
                "ExpandedPayment",
                {"data": [PAYMENT_EXAMPLE], "next_cursor": None},
                next_cursor={"type": ["string", "null"], "description": "null: this is the last page"},
            ),
        },
        **NOT_MODIFIED,
        **problems(*GATE_PROBLEMS, Problem.INVALID_REQUEST, Problem.CARD_NUMBER),
    },
    "openapi_extra": {
        "security": SECURITY,
        "parameters": [
            _query("customer_id", "whose", pattern=_ID_PATTERN),
            _query("status", "in this state", enum=[status.value for status in PaymentStatus]),
            _query("provider", "by this provider", pattern=_ID_PATTERN),
            _query("created_from", "not before", format="date-time"),
            _query("created_to", "before", format="date-time"),
            {
                "name": "metadata",
                "in": "query",
                "style": "deepObject",
                "description": "`metadata[campaign]=spring`: with this key and value; several must all be there",
                "schema": {"type": "object", "additionalProperties": {"type": "string"}},
            },
            _query("limit", "payments a page", type="integer", minimum=1, maximum=LIMIT_MAX, default=LIMIT_DEFAULT),
            {**_query("cursor", "a page's next_cursor", pattern="^[A-Za-z0-9_-]+=*$"), "example": _CURSOR_EXAMPLE},
            EXPAND,
            IF_NONE_MATCH,
        ],
    },
}

READ_TIMELINE: Final[dict[str, Any]] = {
    "tags": ["payments"],
    "summary": "All that happened to a payment",
    "description": "Commands, calls to the provider, its results and callbacks, transitions, postings and signals in "
    "order. For people: `kind` is stable, the words of `summary` are not.",
    "responses": {
        200: {
            "description": "The oldest first",
            "headers": ETAG,
            "content": _page(
                "TimelineEntry",
                {"data": [{
                    "at": "2026-03-01T12:00:00.140000Z",
                    "kind": "transition",
                    "summary": "v3 PENDING → CAPTURED (CAPTURE SUCCESS)",
                }]},
            ),
        },
        **NOT_MODIFIED,
        **problems(*GATE_PROBLEMS, *OWN_PAYMENT_PROBLEMS),
    },
    "openapi_extra": {"security": SECURITY, "parameters": [PAYMENT_ID, IF_NONE_MATCH]},
}  # fmt: skip

_EVENT_SCHEMA: Final = {
    "type": "object",
    "required": ["event", "id", "data"],
    "properties": {
        "event": {"const": "payment.changed"},
        "id": {"type": "string", "pattern": "^[0-9]+$", "description": "the payment's version"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": REF.format(name="PaymentView")},
        },
    },
}

PAYMENT_EVENTS: Final[dict[str, Any]] = {
    "tags": ["payments"],
    "summary": "A payment's changes as they happen",
    "description": "Server-sent events. The first is the payment as it stands, or, with `Last-Event-ID`, the change "
    "after that version. Every version comes once and in order; `operations` holds those that the change made or "
    "changed. The stream ends when the server leaves: connect again, as every EventSource does by itself.",
    "responses": {
        200: {
            "description": "A stream; this is one event of it",
            "content": {"text/event-stream": {"schema": _EVENT_SCHEMA, "example": {
                "event": "payment.changed",
                "id": "3",
                "data": '{"id":"…","status":"CAPTURED","version":3}',
            }}},
        },
        **problems(*GATE_PROBLEMS, *OWN_PAYMENT_PROBLEMS, Problem.INVALID_REQUEST),
    },
    "openapi_extra": {
        "security": SECURITY,
        "parameters": [PAYMENT_ID, header("Last-Event-ID", {"type": "integer", "minimum": 0}, "the last event seen")],
    },
}  # fmt: skip
