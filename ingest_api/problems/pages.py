"""``/problems``: what each problem type means, at the URL of its ``type``."""

from dataclasses import dataclass
from html import escape
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Path, Request, Response
from pydantic import Field

from ingest_api.openapi.responses import problems
from ingest_api.problems import Problem, ProblemError
from ingest_api.problems.layout import html_page

router: Final = APIRouter(tags=["problems"])


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemType:
    """A problem type, its cause and what resolves it."""

    type: str
    status: int
    title: str
    cause: str
    resolution: str
    cure: Annotated[str, Field(deprecated=True, description="the same as `resolution`, until v2")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemTypes:
    """All problem types."""

    problems: tuple[ProblemType, ...]


_AS_PAGE: Final = {"text/html": {"schema": {"type": "string"}, "example": "<!doctype html>…"}}


@router.get(
    "/problems",
    summary="List the problem types",
    response_model=ProblemTypes,
    responses={200: {"content": _AS_PAGE}, **problems(Problem.METHOD_NOT_ALLOWED)},
)
async def list_problems(request: Request) -> Response:
    """Every problem type with its cause and what resolves it: JSON, or a page for `Accept: text/html`."""
    if _wants_page(request):
        entries = (
            f'<section id="{problem.code}"><h2><a href="{problem.uri}">{escape(problem.title)}</a></h2>{_about(problem)}'
            "</section>"
            for problem in sorted(Problem, key=lambda problem: problem.code)
        )
        introduction = (
            "<p>Errors are problem documents (RFC 9457). These are all types, in the order of their URIs.</p>"
        )
        return html_page("Problems", f"<h1>Problems</h1>{introduction}{_LINKS}{''.join(entries)}")
    return _json(ProblemTypes(problems=tuple(_described(problem) for problem in Problem)))


@router.get(
    "/problems/{code}",
    summary="Read a problem type",
    response_model=ProblemType,
    responses={200: {"content": _AS_PAGE}, **problems(Problem.NOT_FOUND)},
)
async def read_problem(
    request: Request, code: Annotated[str, Path(examples=[Problem.CART_TOTAL_MISMATCH.code])]
) -> Response:
    """One problem type, its cause and what resolves it: JSON, or a page for `Accept: text/html`."""
    for problem in Problem:
        if code in (problem.code, problem.former_code):
            if _wants_page(request):
                return html_page(problem.title, f"<h1>{escape(problem.title)}</h1>{_about(problem)}{_LINKS}")
            return _json(_described(problem))
    raise ProblemError(Problem.NOT_FOUND)


_LINKS: Final = '<p><a href="/problems">All problem types</a> · <a href="/docs">API documentation</a></p>'


def _wants_page(request: Request) -> bool:
    """Browsers name HTML first; programs ask for JSON or for anything."""
    return "text/html" in request.headers.get("accept", "")


def _about(problem: Problem) -> str:
    return (
        f"<dl><dt>Type</dt><dd><code>{problem.uri}</code></dd><dt>Status</dt><dd>{problem.status}</dd>"
        f"<dt>Cause</dt><dd>{escape(problem.cause)}</dd><dt>What helps</dt><dd>{escape(problem.resolution)}</dd></dl>"
    )


def _json(value: ProblemType | ProblemTypes) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json", headers={"Vary": "Accept"})


def _described(problem: Problem) -> ProblemType:
    return ProblemType(
        type=problem.uri,
        status=problem.status,
        title=problem.title,
        cause=problem.cause,
        resolution=problem.resolution,
        cure=problem.resolution,
    )
