"""Acting on payments, as the OpenAPI document tells it."""

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
    REF,
    RETRY_AFTER,
    SECURITY,
    answer,
    body,
    json_content,
    link,
    problems,
)
from ingest_api.openapi.payments import PAYMENT_EXAMPLE
from ingest_api.problems import Problem

_OPERATION: Final = {
    "id": "c1a2b3d4-5e6f-5a7b-8c9d-0e1f2a3b4c5d",
    "type": "REFUND",
    "status": "SUCCESS",
    "amount": 10000,
    "provider": "yandex-pay",
    "provider_ref": None,
    "reason": "changed their mind",
    "created_at": "2026-03-02T12:00:00Z",
    "updated_at": "2026-03-02T12:00:01Z",
}
_RESULT: Final = {**_OPERATION, "payment_id": PAYMENT_EXAMPLE["id"], "payment": None}


#: What may follow on an operation.
_NEXT: Final = {
    "read_operation": link(
        "read_operation",
        "What became of it",
        payment_id="$response.body#/payment_id",
        operation_id="$response.body#/id",
    ),
}


def _action(summary: str, description: str, schema: str, example: dict[str, Any], *refusals: Problem) -> dict[str, Any]:
    """The documentation of one action on a payment."""
    final = {**_RESULT, "payment": PAYMENT_EXAMPLE}
    return {
        "tags": ["payments"],
        "summary": summary,
        "description": description,
        "responses": {
            200: answer(
                "The operation has ended: `status` is SUCCESS or FAIL", "OperationResult", final, LOCATION, _NEXT
            ),
            202: answer(
                "The operation is accepted and under way: read it at Location",
                "OperationResult",
                {**_RESULT, "status": "PENDING"},
                LOCATION | RETRY_AFTER,
                _NEXT,
            ),
            **problems(*COMMAND_PROBLEMS, *OWN_PAYMENT_PROBLEMS, Problem.REFUSED, *refusals),
        },
        "openapi_extra": {
            "security": SECURITY,
            "parameters": [PAYMENT_ID, *COMMAND_HEADERS],
            "requestBody": body(schema, example),
        },
    }


_HOLD: Final = (Problem.NOT_AUTHORIZED, Problem.OPERATION_IN_PROGRESS, Problem.OUTCOME_UNKNOWN)

#: By the last part of the path.
ACTIONS: Final[dict[str, dict[str, Any]]] = {
    "capture": _action(
        "Take what is held",
        "All of it, or less with the `cart` that is sold after all; the rest is given back.",
        "CaptureIn",
        {"amount": 39900, "cart": {"items": [
            {"product_id": "film-77", "title": "Stalker", "quantity": 1, "unit_price": 39900},
        ]}},
        *_HOLD, Problem.AMOUNT_EXCEEDS_AUTHORIZED, Problem.CART_REQUIRED, Problem.CART_TOTAL_MISMATCH,
    ),
    "void": _action("Give back what is held", "All of it.", "VoidIn", {"reason": "not in stock"}, *_HOLD),
    "refund": _action(
        "Give back what was taken",
        "An `amount`, or `items`, or with neither all that is left. The amount is reserved from the acceptance on: two "
        "refunds at once never give back more than was taken.",
        "RefundIn",
        {"reason": "changed their mind", "amount": 10000},
        Problem.NOT_CAPTURED, Problem.AMOUNT_EXCEEDS_REFUNDABLE, Problem.ITEMS_NOT_REFUNDABLE,
    ),
    "cancel": _action(
        "Give up an unpaid payment",
        "The provider closes its order: it can no longer be paid, and the payment becomes FAILED with the reason "
        "`rolled_back`. Should the customer pay at the same moment, the money is given back.",
        "CancelIn",
        {"reason": "the customer left"},
        Problem.NOT_UNPAID, Problem.ALREADY_CLOSED,
    ),
}  # fmt: skip

_READ_PROBLEMS: Final = (*GATE_PROBLEMS, *OWN_PAYMENT_PROBLEMS)

READ_OPERATIONS: Final[dict[str, Any]] = {
    "tags": ["payments"],
    "summary": "The operations of a payment",
    "responses": {
        200: {
            "description": "All of them, the oldest first",
            "headers": ETAG,
            "content": json_content(
                {"type": "object", "required": ["data"], "properties": {
                    "data": {"type": "array", "items": {"$ref": REF.format(name="OperationOut")}},
                }},
                {"data": [_OPERATION]},
            ),
        },
        **NOT_MODIFIED,
        **problems(*_READ_PROBLEMS),
    },
    "openapi_extra": {"security": SECURITY, "parameters": [PAYMENT_ID, IF_NONE_MATCH]},
}  # fmt: skip

#: What a command that was accepted may be refused for in its turn.
_REFUSED_IN_TURN: Final = (
    *_HOLD,
    Problem.REFUSED,
    Problem.IDEMPOTENCY_KEY_REUSED,
    Problem.AMOUNT_EXCEEDS_AUTHORIZED,
    Problem.CART_REQUIRED,
    Problem.CART_TOTAL_MISMATCH,
    Problem.NOT_CAPTURED,
    Problem.AMOUNT_EXCEEDS_REFUNDABLE,
    Problem.ITEMS_NOT_REFUNDABLE,
    Problem.ALREADY_CLOSED,
)

READ_OPERATION: Final[dict[str, Any]] = {
    "tags": ["payments"],
    "summary": "One operation of a payment",
    "description": "Of one that was accepted (202) and refused when its turn came: the problem that who waited for the "
    "outcome was told.",
    "responses": {
        200: answer("The operation and its payment", "OperationResult", {**_RESULT, "payment": PAYMENT_EXAMPLE}, ETAG),
        **NOT_MODIFIED,
        **problems(*_READ_PROBLEMS, Problem.OPERATION_NOT_FOUND, *_REFUSED_IN_TURN),
    },
    "openapi_extra": {"security": SECURITY, "parameters": [PAYMENT_ID, {**PAYMENT_ID, "name": "operation_id"},
                                                           IF_NONE_MATCH]},
}  # fmt: skip
