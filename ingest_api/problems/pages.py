"""``/problems``: what each problem type means, at the URL its ``type`` gives."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ingest_api.problems import Problem, ProblemError


async def list_problems(_request: Request) -> Response:
    """All problem types."""
    return _json({"problems": [describe(problem) for problem in Problem]})


async def read_problem(request: Request) -> Response:
    """One problem type, its cause and its cure."""
    for problem in Problem:
        if problem.code == request.path_params["code"]:
            return _json(describe(problem))
    raise ProblemError(Problem.NOT_FOUND)


def describe(problem: Problem) -> dict[str, Any]:
    """The problem type as clients may read it."""
    return {
        "type": problem.uri,
        "status": problem.status,
        "title": problem.title,
        "cause": problem.cause,
        "cure": problem.cure,
    }


def _json(document: object) -> Response:
    return Response(msgspec.json.encode(document), media_type="application/json")
