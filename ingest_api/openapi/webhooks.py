"""The documentation of provider callbacks: what each provider sends, and which response it expects."""

from typing import Any, Final

from ingest_api.openapi.responses import problems
from ingest_api.problems import Problem
from providers.plugin import Body, ProviderPlugin

_OBJECT: Final = {"type": "object"}
_STORED: Final = "The callback is stored"
_UNPROVEN: Final = "The sender is not verified; the body is what the provider's documentation requires"
_UNREADABLE: Final = "Not what the provider sends"


def callback_docs(plugin: ProviderPlugin[Any, Any]) -> dict[str, Any]:
    """The documentation of one provider's callbacks."""
    callback = plugin.callback
    answers: dict[int | str, Any] = {200: {"description": _STORED, "content": _content(callback.stored)}}
    answers |= {
        status: {"description": _UNREADABLE if status == 400 else _UNPROVEN, "content": _content(body)}  # noqa: PLR2004
        for status, body in callback.refusals.items()
    }
    shared = problems(Problem.SLOW_REQUEST, Problem.BODY_TOO_LARGE, Problem.UNAVAILABLE)
    if (own := answers.pop(Problem.UNAVAILABLE.status, None)) is not None:
        shared[Problem.UNAVAILABLE.status]["content"] |= own["content"]
    headers = [
        {"name": name, "in": "header", "required": False, "schema": {"type": "string"}, "description": meaning}
        for name, meaning in callback.headers.items()
    ]
    return {
        "summary": f"A callback of {plugin.title}",
        "description": callback.description,
        "responses": {**answers, **shared},
        "openapi_extra": {
            "parameters": headers,
            "requestBody": {"required": True, "content": _content(callback.request)},
        },
    }


def _content(body: Body) -> dict[str, Any]:
    if body.media_type == "application/json":
        return {"application/json": {"schema": _OBJECT, "example": body.example}}
    schema = {"type": "string"} | ({} if body.const is None else {"const": body.const})
    return {body.media_type: {"schema": schema, "example": body.example}}
