"""The words the OpenAPI document is made of: answers, problems, headers."""

from typing import Any, Final

from ingest_api.problems import MEDIA_TYPE, Problem

REF: Final = "#/components/schemas/{name}"
_EXAMPLE_REF: Final = "#/components/examples/{code}"
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


def json_content(schema: dict[str, Any], example: Any) -> dict[str, Any]:
    """The ``content`` of a JSON body that has no name of its own."""
    return {"application/json": {"schema": schema, "example": example}}


LOCATION: Final = {"Location": {"description": "the payment", "schema": {"type": "string"}}}
RETRY_AFTER: Final = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}


def answer(
    description: str,
    schema: str,
    example: dict[str, Any],
    headers: dict[str, Any],
    links: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """An answer with a JSON body. ``links``: what can be done with it next."""
    content = json_content({"$ref": REF.format(name=schema)}, example)
    found = {"description": description, "headers": headers, "content": content}
    return found if links is None else {**found, "links": links}


def link(operation: str, description: str, **parameters: str) -> dict[str, Any]:
    """Where parts of an answer go next: ``operation``'s parameters as runtime expressions."""
    return {"operationId": operation, "description": description, "parameters": parameters}


def problems(*used: Problem) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that can answer with these problems, with an example of each."""
    responses: dict[int | str, dict[str, Any]] = {}
    for problem in (*used, *_SHARED):
        response = responses.setdefault(
            problem.status,
            {
                "description": problem.title,
                "content": {MEDIA_TYPE: {"schema": {"$ref": REF.format(name="Problem")}, "examples": {}}},
            },
        )
        response["content"][MEDIA_TYPE]["examples"][problem.code] = {"$ref": _EXAMPLE_REF.format(code=problem.code)}
    return responses


def problem_examples() -> dict[str, dict[str, Any]]:
    """An example of every problem type, by its code: what answers refer to."""
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


def header(name: str, schema: dict[str, Any], description: str, *, required: bool = False) -> dict[str, Any]:
    """A header that a client may send."""
    return {"name": name, "in": "header", "required": required, "schema": schema, "description": description}


SECURITY: Final[list[dict[str, list[str]]]] = [{"api_key": []}]

PAYMENT_ID: Final = {
    "name": "payment_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
}

COMMAND_HEADERS: Final = [
    header(
        "Idempotency-Key",
        {"type": "string", "pattern": "^[!-~]{1,255}$"},
        "names the command: the same key and body reach the same payment or operation",
        required=True,
    ),
    header(
        "Prefer",
        {"type": "string", "examples": ["wait=5", "respond-async"]},
        "RFC 7240: `wait=N` seconds to wait for the outcome, `respond-async` for not waiting",
    ),
]

ETAG: Final = {"ETag": {"description": "send it as If-None-Match", "schema": {"type": "string"}}}
IF_NONE_MATCH: Final = header("If-None-Match", {"type": "string"}, "an ETag: 304 when nothing changed since")
NOT_MODIFIED: Final[dict[int | str, Any]] = {304: {"description": "Nothing changed", "headers": ETAG}}

#: What everything behind an API key may be answered with.
GATE_PROBLEMS: Final = (Problem.UNAUTHORIZED, Problem.FORBIDDEN, Problem.TOO_MANY_REQUESTS, Problem.UNAVAILABLE)

#: What everything below a payment may be answered with: it is not there, or was accepted and refused in its turn.
OWN_PAYMENT_PROBLEMS: Final = (Problem.PAYMENT_NOT_FOUND, Problem.INVALID_ORDER)

#: What every command may be answered with besides its own problems.
COMMAND_PROBLEMS: Final = (
    Problem.MALFORMED_JSON,
    Problem.INVALID_IDEMPOTENCY_KEY,
    *GATE_PROBLEMS,
    Problem.SLOW_REQUEST,
    Problem.BODY_TOO_LARGE,
    Problem.UNSUPPORTED_MEDIA_TYPE,
    Problem.INVALID_REQUEST,
    Problem.CARD_NUMBER,
    Problem.IDEMPOTENCY_KEY_REUSED,
)


def body(schema: str, example: dict[str, Any]) -> dict[str, Any]:
    """A request's JSON body."""
    return {"required": True, "content": json_content({"$ref": REF.format(name=schema)}, example)}
