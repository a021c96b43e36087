"""The OpenAPI document as a whole."""

from typing import Any, Final

import msgspec

from ingest_api.openapi.fragments import PROBLEM_SCHEMA, REF, problem_examples
from ingest_api.openapi.service import PROBLEM_TYPE_SCHEMA
from ingest_api.payments.read import TimelineEntry
from ingest_api.payments.schemas import CancelIn, CaptureIn, CreatePaymentIn, RefundIn, VoidIn
from ingest_api.payments.views import AcceptedView, CartLineOut, OperationOut, OperationResult, OrderOut, PaymentView

DESCRIPTION: Final = """Payments of the cinema: open one, send the customer to its `payment_url`, read what became of it.

- Amounts are integers in minor units (kopecks, cents). Times are RFC 3339 in UTC.
- A 2xx means that the request is stored. Commands carry an `Idempotency-Key`: repeat a command with the same key and
  body as often as you like, it happens once.
- Errors are problem documents (RFC 9457); `type` never changes and resolves to its description, all are listed at
  [/problems](/problems). Every answer carries an `X-Request-Id`.
- A request whose head or body does not arrive in time is a 408, and its connection is closed.
"""

_VIEWS: Final = (PaymentView, AcceptedView, OperationOut, OperationResult, OrderOut, CartLineOut, TimelineEntry)
_BODIES: Final = (CreatePaymentIn, CaptureIn, VoidIn, RefundIn, CancelIn)

_EXPANDED: Final = {
    "allOf": [{"$ref": REF.format(name="PaymentView")}],
    "properties": {
        "order": {"$ref": REF.format(name="OrderOut"), "description": "with ?expand=order"},
        "cart": {
            "type": "object",
            "description": "with ?expand=cart",
            "properties": {"items": {"type": "array", "items": {"$ref": REF.format(name="CartLineOut")}}},
        },
    },
}


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Add the schemas, the examples and the security scheme that the routes refer to."""
    _, schemas = msgspec.json.schema_components(_VIEWS, ref_template=REF)
    for model in _BODIES:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = schema
    components = document.setdefault("components", {})
    components["schemas"] = {
        **components.get("schemas", {}),
        **schemas,
        "ExpandedPayment": _EXPANDED,
        "Problem": PROBLEM_SCHEMA,
        "ProblemType": PROBLEM_TYPE_SCHEMA,
    }
    components["examples"] = problem_examples()
    components["securitySchemes"] = {"api_key": {"type": "http", "scheme": "bearer"}}
    return document
