"""Endpoints for operators: liveness, readiness and metrics."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import IPvAnyNetwork

from ingest_api.dependencies import Injected
from ingest_api.openapi.responses import problems
from ingest_api.problems import Problem, ProblemError

router: Final = APIRouter(tags=["health"])

#: Problems of a request that is no GET, or no HTTP.
_NOT_READ: Final = problems(Problem.INVALID_HTTP, Problem.METHOD_NOT_ALLOWED)

#: A proxy adds one of these; a client of ours that needs none of them has none.
_FORWARDED: Final = ("x-forwarded-for", "forwarded")


@dataclass(frozen=True, slots=True, kw_only=True)
class Liveness:
    """The process answers."""

    live: Literal[True] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether commands and callbacks can be accepted; ``reasons``: what does not work."""

    ready: bool
    reasons: tuple[str, ...]


@router.get("/livez", summary="Is the process alive?", responses=_NOT_READ)
async def livez() -> Liveness:
    """The process answers."""
    return Liveness()


@router.get(
    "/readyz",
    summary="Can requests be served?",
    responses={
        **_NOT_READ,
        503: {
            "model": Readiness,
            "description": "Not ready; `reasons` says why",
            "content": {"application/json": {"example": {"ready": False, "reasons": ["not connected to Kafka"]}}},
        },
    },
)
async def readyz(response: Response, dependencies: Injected) -> Readiness:
    """Commands can be stored and replies received. `reasons` also names what does not answer and is not needed for that."""
    reasons = []
    unready = await dependencies.writer.unready()
    if unready is not None:
        reasons.append(unready)
    if dependencies.replies.partition is None:
        reasons.append("not listening for replies")
    if not dependencies.admission.keys.is_loaded:
        reasons.append("API keys are not loaded")
    ready = not reasons
    if not ready:
        response.status_code = 503
    if not await dependencies.reads.answers():
        # New payments and callbacks are accepted all the same: no load balancer should leave the process for it.
        reasons.append("Postgres does not answer: payments cannot be read")
    return Readiness(ready=ready, reasons=tuple(reasons))


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=PlainTextResponse,
    responses={
        **_NOT_READ,
        **problems(Problem.NOT_FOUND),
        200: {"content": {"text/plain": {"example": "# TYPE ingest_waiting_requests gauge\n"}}},
    },
)
async def metrics(request: Request, dependencies: Injected) -> Response:
    """In the Prometheus text format, for the networks of the operator's setting; for all others there is nothing here."""
    if not _is_direct_from(request, dependencies.settings.ingest_metrics_networks):
        raise ProblemError(Problem.NOT_FOUND)
    return Response(generate_latest(dependencies.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _is_direct_from(request: Request, networks: Iterable[IPvAnyNetwork]) -> bool:
    """Whether the request comes from one of these networks without a proxy in between. A proxy's own address says nothing
    of who asks."""
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        address = ip_address(request.client.host)
    except ValueError:
        return False
    return any(address in network for network in networks)
