"""The OpenAPI document as a whole: what FastAPI cannot derive from the endpoints."""

from typing import Any, Final

from pydantic.json_schema import models_json_schema

from ingest_api.openapi.examples import EXAMPLES, problem_examples
from ingest_api.payments.schemas import CancelIn, CaptureIn, CreatePaymentIn, RefundIn, VoidIn, leave_out_null
from ingest_api.problems import ProblemDocument

_REF_TEMPLATE: Final = "#/components/schemas/{model}"

DESCRIPTION: Final = """Payments of the cinema: open one, send the customer to its `payment_url`, read its outcome.

- Amounts are integers in minor units (kopecks, cents). Times are RFC 3339 in UTC.
- A 2xx means that the request is stored. Commands carry an `Idempotency-Key`: a command that is repeated with the same
  key and body is executed once.
- Errors are problem documents (RFC 9457); `type` never changes and resolves to its description. All types are listed at
  [/problems](/problems). Every response has an `X-Request-Id`.
- A request whose head or body does not arrive in time is answered with 408, and its connection is closed.
"""

_BODIES: Final = (CreatePaymentIn, CaptureIn, VoidIn, RefundIn, CancelIn)

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
    components["examples"] = problem_examples()
    for operation in (operation for methods in document["paths"].values() for operation in methods.values()):
        responses = operation["responses"]
        if "422" in responses and "application/json" in responses["422"]["content"]:
            del responses["422"]
        for parameter in operation.get("parameters", ()):
            leave_out_null(parameter["schema"])
        for described in (operation.get("requestBody", {}), *responses.values()):
            _add_examples(described.get("content", {}))
    return document


def _add_examples(contents: Json) -> None:
    for content in contents.values():
        name = content["schema"].get("$ref", "").rpartition("/")[2]
        if name in EXAMPLES:
            content.setdefault("example", EXAMPLES[name])
