"""What every endpoint of clearing has in common: who is admitted, how much runs at once, what refusals are called."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final, NamedTuple

import structlog
from anyio import CapacityLimiter
from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from starlette.requests import Request

from admin.access import Access
from admin.language import gettext
from admin.problems import Problem
from backoffice.clearing.closing import NotNow
from backoffice.clearing.discrepancies import ChangedSince, NoDiscrepancy, OtherDecision
from backoffice.clearing.runs import StatementDoubted
from backoffice.operators import ActionRefused, ApiClient
from billing.access.scopes import Scope
from ingest_api.edge.bodies import json_body
from ingest_api.payments.schemas import Body, parse
from ingest_api.problems import Problem as RequestProblem
from providers.settlement import Settlement
from runtime.http.problems import ProblemError, ProblemType
from runtime.kafka.clients import KAFKA_ERRORS
from runtime.postgres import POSTGRES_ERRORS
from runtime.settings import AdminSettings

log = structlog.get_logger(__name__)

#: Requests that use Postgres at once, each over a connection of its own; others wait.
AT_ONCE: Final = 8
#: Bytes of a decision.
BODY_LIMIT: Final = 16 * 1024

#: Problems of every endpoint.
ADMISSION: Final = (Problem.UNAUTHORIZED, Problem.FORBIDDEN, Problem.TOO_MANY_ATTEMPTS, Problem.UNAVAILABLE)
#: Problems of every endpoint that reads a body.
BODY: Final = (
    RequestProblem.MALFORMED_JSON,
    RequestProblem.BODY_TOO_LARGE,
    RequestProblem.UNSUPPORTED_MEDIA_TYPE,
    RequestProblem.INVALID_REQUEST,
    RequestProblem.CARD_NUMBER,
)

_REFUSALS: Final[dict[type[ActionRefused], ProblemType]] = {
    NoDiscrepancy: Problem.DISCREPANCY_NOT_FOUND,
    ChangedSince: Problem.DISCREPANCY_CHANGED,
    OtherDecision: RequestProblem.IDEMPOTENCY_KEY_REUSED,
    StatementDoubted: Problem.STATEMENT_DOUBTED,
    NotNow: Problem.LEDGER_BUSY,
}


class Clearing(NamedTuple):
    """What the endpoints work with. ``settlements``: of all providers, by name."""

    access: Access
    settings: AdminSettings
    settlements: Mapping[str, Settlement]
    places: CapacityLimiter

    def require_known(self, provider: str) -> None:
        """Raise :class:`ProblemError` 404 where there is no such provider."""
        if provider not in self.settlements:
            known = ", ".join(self.settlements)
            raise ProblemError(Problem.NOT_FOUND, gettext("There is no provider of this name: %(names)s.", names=known))

    @asynccontextmanager
    async def at_work(self, refused: ProblemType) -> AsyncIterator[None]:
        """Use Postgres, in turn. Raises :class:`ProblemError` for what is refused or does not answer; ``refused``: where
        the refusal has no problem of its own."""
        try:
            async with self.places:
                yield
        except ActionRefused as error:
            raise ProblemError(_REFUSALS.get(type(error), refused), str(error)) from error
        except (*POSTGRES_ERRORS, *KAFKA_ERRORS) as error:
            log.warning("clearing is not answered", error=repr(error))
            raise ProblemError(Problem.UNAVAILABLE) from error


async def _injected(request: Request) -> Clearing:
    clearing: Clearing = request.app.state.clearing
    return clearing


Injected = Annotated[Clearing, Depends(_injected)]

#: Documents the scheme; keys are checked by :class:`~admin.access.Access`.
_scheme: Final = HTTPBearer(scheme_name="api_key", auto_error=False)
_Documented = Annotated[HTTPAuthorizationCredentials | None, Depends(_scheme)]


async def _reader(request: Request, clearing: Injected, _key: _Documented) -> str:
    return clearing.access.admit(request, Scope.CLEARING_READ)


async def _writer(request: Request, clearing: Injected, _key: _Documented) -> str:
    return clearing.access.admit(request, Scope.CLEARING_WRITE)


async def _closer(request: Request, clearing: Injected, _key: _Documented) -> str:
    return clearing.access.admit(request, Scope.CLEARING_CLOSE)


#: Admits clients that may read; the others are the client's name.
READS: Final = Depends(_reader)
Writer = Annotated[str, Depends(_writer)]
Closer = Annotated[str, Depends(_closer)]


def api_client(client: str, reason: str) -> ApiClient:
    """Who acts, and why."""
    return ApiClient(f"client:{client}", reason)


def documented(model: type[BaseModel]) -> dict[str, Any]:
    """The ``openapi_extra`` of an endpoint with this body. Its enumerations are those of the answers."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


async def read_json(request: Request, model: type[Body]) -> Body:
    """The body. Raises :class:`ProblemError`: 400, 413, 415, 422."""
    return parse(model, await json_body(request, BODY_LIMIT))
