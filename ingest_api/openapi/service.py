"""Callbacks, health and problem types, as the OpenAPI document tells it."""

from typing import Any, Final

from ingest_api.openapi.words import problems
from ingest_api.problems import Problem

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
