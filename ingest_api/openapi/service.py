"""Health and problem types, as the OpenAPI document tells it."""

from typing import Any, Final

from ingest_api.openapi.fragments import REF, answer, json_content, problems
from ingest_api.problems import Problem
from ingest_api.problems.pages import describe

_LIVE_SCHEMA: Final = {
    "type": "object",
    "required": ["live"],
    "properties": {"live": {"const": True}},
}
_READY_SCHEMA: Final = {
    "type": "object",
    "required": ["ready", "reasons"],
    "properties": {"ready": {"type": "boolean"}, "reasons": {"type": "array", "items": {"type": "string"}}},
}
_PROBLEM_TYPE: Final = describe(Problem.CART_TOTAL_MISMATCH)

#: A problem type as ``/problems`` describes it.
PROBLEM_TYPE_SCHEMA: Final = {
    "type": "object",
    "required": list(_PROBLEM_TYPE),
    "properties": {name: {"type": "integer" if name == "status" else "string"} for name in _PROBLEM_TYPE},
}

LIVE: Final[dict[str, Any]] = {
    "tags": ["health"],
    "summary": "The process answers",
    "responses": {200: {"description": "Alive", "content": json_content(_LIVE_SCHEMA, {"live": True})}},
}

READY: Final[dict[str, Any]] = {
    "tags": ["health"],
    "summary": "Requests can be taken",
    "responses": {
        200: {"description": "Ready", "content": json_content(_READY_SCHEMA, {"ready": True, "reasons": []})},
        503: {
            "description": "Not ready; `reasons` says why",
            "content": json_content(_READY_SCHEMA, {"ready": False, "reasons": ["not connected to Kafka"]}),
        },
    },
}

METRICS: Final[dict[str, Any]] = {
    "tags": ["health"],
    "summary": "Prometheus metrics",
    "responses": {
        200: {
            "description": "Prometheus' text format",
            "content": {
                "text/plain": {"schema": {"type": "string"}, "example": "# TYPE ingest_waiting_requests gauge\n"}
            },
        },
    },
}

LIST_PROBLEMS: Final[dict[str, Any]] = {
    "tags": ["problems"],
    "summary": "All problem types",
    "responses": {
        200: {
            "description": "Every problem type with its cause and cure",
            "content": json_content(
                {
                    "type": "object",
                    "required": ["problems"],
                    "properties": {"problems": {"type": "array", "items": {"$ref": REF.format(name="ProblemType")}}},
                },
                {"problems": [_PROBLEM_TYPE]},
            ),
        },
    },
}

READ_PROBLEM: Final[dict[str, Any]] = {
    "tags": ["problems"],
    "summary": "What a problem type means",
    "responses": {
        200: answer("Its cause and its cure", "ProblemType", _PROBLEM_TYPE, {}),
        **problems(Problem.NOT_FOUND),
    },
    "openapi_extra": {
        "parameters": [
            {
                "name": "code",
                "in": "path",
                "required": True,
                "schema": {"type": "string"},
                "example": Problem.CART_TOTAL_MISMATCH.code,
            }
        ],
    },
}
