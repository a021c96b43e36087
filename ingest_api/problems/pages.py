"""``/problems``: what each problem type means, at the URL of its ``type``."""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Path
from pydantic import Field

from ingest_api.openapi.responses import problems
from ingest_api.problems import Problem, ProblemError

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


@router.get("/problems", summary="List the problem types", responses=problems(Problem.METHOD_NOT_ALLOWED))
async def list_problems() -> ProblemTypes:
    """Every problem type with its cause and what resolves it."""
    return ProblemTypes(problems=tuple(_described(problem) for problem in Problem))


@router.get("/problems/{code}", summary="Read a problem type", responses=problems(Problem.NOT_FOUND))
async def read_problem(code: Annotated[str, Path(examples=[Problem.CART_TOTAL_MISMATCH.code])]) -> ProblemType:
    """One problem type, its cause and what resolves it."""
    for problem in Problem:
        if code in (problem.code, problem.former_code):
            return _described(problem)
    raise ProblemError(Problem.NOT_FOUND)


def _described(problem: Problem) -> ProblemType:
    return ProblemType(
        type=problem.uri,
        status=problem.status,
        title=problem.title,
        cause=problem.cause,
        resolution=problem.resolution,
        cure=problem.resolution,
    )
