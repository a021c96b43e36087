"""The OpenAPI document as a whole: what FastAPI cannot derive from the endpoints."""

from typing import Any, Final

from pydantic.json_schema import models_json_schema

from ingest_api.openapi.descriptions import describe
from ingest_api.openapi.examples import EXAMPLES, EXAMPLES_IN_PROGRESS, problem_examples
from ingest_api.payments.schemas import CancelIn, CaptureIn, CreatePaymentIn, RefundIn, VoidIn, leave_out_null
from ingest_api.problems import ProblemDocument
from ingest_api.subscriptions.schemas import (
    AddPriceIn,
    AdvanceTestClockIn,
    CancelSubscriptionIn,
    ChangeMethodIn,
    CreatePlanIn,
    CreateTestClockIn,
    ExtendIn,
    KeepSubscriptionIn,
    PayNowIn,
    SubscribeIn,
)

_REF_TEMPLATE: Final = "#/components/schemas/{model}"

DESCRIPTION: Final = """Payments and subscriptions of the cinema: open a payment or subscribe, send the customer to the `payment_url`, read the
outcome.

- Amounts are integers in minor units (kopecks, cents). Times are RFC 3339 in UTC.
- A 2xx means that the request is stored. Commands carry an `Idempotency-Key`: a command that is repeated with the same
  key and body is executed once.
- Errors are problem documents (RFC 9457); `type` never changes and resolves to its description. All types are listed at
  [/problems](/problems). Every response has an `X-Request-Id`.
- A request whose head or body does not arrive in time is answered with 408, and its connection is closed.
"""

#: What the parameters mean that no signature describes.
PARAMETERS: Final = {
    "payment_id": "the payment",
    "plan_id": "the plan",
    "subscription_id": "the subscription",
    "operation_id": "the operation, by the id that its command was answered with",
    "code": "the end of the type's URI",
    "customer_id": "payments of this customer",
    "order_id": "the payment of this order",
    "status": "payments in this state",
    "provider": "payments at this provider",
}
TAGS: Final = [
    {"name": "payments", "description": "Open, read, capture, void, refund and cancel payments"},
    {"name": "payment methods", "description": "List and remove what customers let you charge again"},
    {"name": "plans", "description": "What customers subscribe to, and what it costs"},
    {"name": "subscriptions", "description": "Subscribe, read, pay, keep, cancel and extend subscriptions"},
    {"name": "test clocks", "description": "Let subscriptions at a sandbox live through months in minutes"},
    {"name": "webhooks", "description": "Callbacks of the payment providers; not for clients"},
    {"name": "problems", "description": "What can go wrong, and what helps"},
    {"name": "health", "description": "For operators: liveness, readiness, metrics"},
]
LICENSE: Final = {"name": "Apache 2.0", "identifier": "Apache-2.0"}
CONTACT: Final = {"name": "The operators of the billing service"}
SERVERS: Final = [{"url": "/", "description": "The host that serves this document"}]

_BODIES: Final = (
    CreatePaymentIn,
    CaptureIn,
    VoidIn,
    RefundIn,
    CancelIn,
    CreatePlanIn,
    AddPriceIn,
    SubscribeIn,
    CancelSubscriptionIn,
    KeepSubscriptionIn,
    PayNowIn,
    ChangeMethodIn,
    ExtendIn,
    CreateTestClockIn,
    AdvanceTestClockIn,
)

#: FastAPI documents its own errors wherever there is a parameter: here they are problem documents.
_FRAMEWORK_ERRORS: Final = ("HTTPValidationError", "ValidationError")

Json = dict[str, Any]


def complete(document: Json) -> Json:
    """Add the schemas of bodies and problems, and an example wherever a body or a response has a named schema."""
    components = document["components"]
    schemas = components["schemas"]
    _, bodies = models_json_schema([(model, "validation") for model in _BODIES], ref_template=_REF_TEMPLATE)
    schemas |= bodies["$defs"]
    problem = ProblemDocument.model_json_schema(ref_template=_REF_TEMPLATE)
    schemas |= problem.pop("$defs")
    schemas["Problem"] = problem
    for name in _FRAMEWORK_ERRORS:
        schemas.pop(name, None)
    for name, schema in schemas.items():
        describe(name, schema)
    components["examples"] = problem_examples()
    for operation in (operation for methods in document["paths"].values() for operation in methods.values()):
        operation.setdefault("security", [])  # public
        responses = operation["responses"]
        if "422" in responses and "application/json" in responses["422"]["content"]:
            del responses["422"]
        if "parameters" in operation:
            operation["parameters"] = _once(operation["parameters"])
        for parameter in operation.get("parameters", ()):
            leave_out_null(parameter["schema"])
            parameter.setdefault("description", PARAMETERS.get(parameter["name"], ""))
        _add_examples(operation.get("requestBody", {}).get("content", {}), EXAMPLES)
        for status, response in responses.items():
            _add_examples(response.get("content", {}), EXAMPLES_IN_PROGRESS if status == "202" else EXAMPLES)
    return document


def _once(parameters: list[Json]) -> list[Json]:
    """Of parameters with the same name the last: an endpoint may describe one better than its signature does."""
    return list({(parameter["in"], parameter["name"]): parameter for parameter in parameters}.values())


def _add_examples(contents: Json, examples: Json) -> None:
    for content in contents.values():
        name = content["schema"].get("$ref", "").rpartition("/")[2]
        if name in examples:
            content.setdefault("example", examples[name])
