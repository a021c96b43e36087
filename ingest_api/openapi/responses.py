"""Parts of the ``responses`` of a route: problems, headers, links."""

from typing import Any, Final

from pydantic import BaseModel

from ingest_api.problems import MEDIA_TYPE, Problem

Responses = dict[int | str, dict[str, Any]]

SCHEMA_REF: Final = "#/components/schemas/{name}"
_EXAMPLE_REF: Final = "#/components/examples/{code}"

#: Problems of every route that needs an API key.
ADMISSION: Final = (Problem.UNAUTHORIZED, Problem.FORBIDDEN, Problem.TOO_MANY_REQUESTS, Problem.UNAVAILABLE)

#: Problems of every route below a payment: there is none, or the command that was to open it was refused.
OWN_PAYMENT: Final = (Problem.PAYMENT_NOT_FOUND, Problem.INVALID_ORDER)

#: Problems of every route that reads a body.
BODY: Final = (
    Problem.MALFORMED_JSON,
    Problem.SLOW_REQUEST,
    Problem.BODY_TOO_LARGE,
    Problem.UNSUPPORTED_MEDIA_TYPE,
    Problem.INVALID_REQUEST,
    Problem.CARD_NUMBER,
)

#: Problems of every command, besides its own.
COMMAND: Final = (
    *BODY,
    Problem.INVALID_IDEMPOTENCY_KEY,
    *ADMISSION,
    Problem.UPGRADE_IN_PROGRESS,
    Problem.IDEMPOTENCY_KEY_REUSED,
)


def problems(*used: Problem) -> Responses:
    """The responses of a route that can refuse with these problems, or fail unexpectedly."""
    responses: Responses = {}
    for problem in (*used, Problem.INTERNAL):
        response = responses.setdefault(
            problem.status,
            {
                "description": problem.title,
                "content": {MEDIA_TYPE: {"schema": {"$ref": SCHEMA_REF.format(name="Problem")}, "examples": {}}},
            },
        )
        response["content"][MEDIA_TYPE]["examples"][problem.code] = {"$ref": _EXAMPLE_REF.format(code=problem.code)}
    return responses


def header(name: str, description: str, type: str = "string") -> dict[str, Any]:
    """A header of a response."""
    return {name: {"description": description, "schema": {"type": type}}}


LOCATION: Final = header("Location", "where to read it")
RETRY_AFTER: Final = header("Retry-After", "seconds", "integer")
REPLAYED_HEADER: Final = header(
    "Idempotent-Replayed", "`true`: this command was stored before, and is not executed again"
)
_ETAG: Final = header("ETag", "send it as If-None-Match")


def conditional(description: str, **headers: Any) -> Responses:
    """The responses of a :class:`~ingest_api.edge.etag.ConditionalRoute`, without its problems."""
    return {
        200: {"description": description, "headers": {**_ETAG, **headers}},
        304: {"description": "Nothing changed", "headers": _ETAG},
    }


def link(operation: str, description: str, **parameters: str) -> dict[str, Any]:
    """What can be done with a response next: ``operation``, with its parameters as runtime expressions."""
    return {operation: {"operationId": operation, "description": description, "parameters": parameters}}


def request_body(model: type[BaseModel]) -> dict[str, Any]:
    """The ``openapi_extra`` of a route that reads its body itself."""
    content = {"application/json": {"schema": {"$ref": SCHEMA_REF.format(name=model.__name__)}}}
    return {"requestBody": {"required": True, "content": content}}
