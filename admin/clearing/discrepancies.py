"""``/v1/clearing/discrepancies``: what differs between statements and books, and decisions on it."""

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from admin.clearing.context import ADMISSION, BODY, READS, Clearing, Injected, Writer, api_client, documented, read_json
from admin.clearing.schemas import ClaimIn, DiscrepanciesQuery, ReopenIn, ResolveIn, encode_cursor
from admin.clearing.views import (
    DiscrepancyPage,
    DiscrepancyView,
    FoundDiscrepancyView,
    discrepancy_view,
    found_view,
)
from admin.problems import Problem, responses
from backoffice.clearing import discrepancies
from ingest_api.edge import idempotency
from ingest_api.edge.etag import CONDITIONAL, ConditionalRoute, matches
from ingest_api.edge.idempotency import IdempotencyKey
from ingest_api.edge.queries import single_values
from ingest_api.openapi.responses import REPLAYED_HEADER, conditional, header
from ingest_api.problems import Problem as RequestProblem
from runtime.http.problems import ProblemError
from storage.clearing.discrepancies import Command, Decided

PATH: Final = "/v1/clearing/discrepancies"
REPLAYED: Final = "Idempotent-Replayed"
_VERSION: Final = re.compile(r'"([0-9]{1,9})"')

_ETAG: Final = header("ETag", "the version: send it as If-Match with a decision")
_DECISION: Final = {
    200: {"description": "Decided, now or before", "headers": {**_ETAG, **REPLAYED_HEADER}},
    **responses(
        *ADMISSION,
        *BODY,
        RequestProblem.INVALID_IDEMPOTENCY_KEY,
        RequestProblem.IDEMPOTENCY_KEY_REUSED,
        Problem.NOT_FOUND,
        Problem.DISCREPANCY_NOT_FOUND,
        Problem.DISCREPANCY_CHANGED,
        Problem.DECISION_REFUSED,
        Problem.VERSION_REQUIRED,
    ),
}

DiscrepancyId = Annotated[UUID, Path(description="the discrepancy")]


async def _seen(
    if_match: Annotated[
        str | None, Header(alias="If-Match", description="the ETag of the discrepancy as you read it; required")
    ] = None,
) -> int:
    """The version that the client saw. 428 without; 412 where it can be no version."""
    if if_match is None:
        raise ProblemError(Problem.VERSION_REQUIRED)
    version = _VERSION.fullmatch(if_match.strip())
    if version is None:
        raise ProblemError(Problem.DISCREPANCY_CHANGED, "If-Match is not an ETag of a discrepancy")
    return int(version[1])


Seen = Annotated[int, Depends(_seen)]

router: Final = APIRouter(tags=["clearing"], prefix=PATH)
reads: Final = APIRouter(tags=["clearing"], prefix=PATH, route_class=ConditionalRoute, dependencies=[CONDITIONAL])


async def _claim_body(request: Request, _client: Writer, _key: IdempotencyKey) -> ClaimIn:
    return await read_json(request, ClaimIn)


async def _resolve_body(request: Request, _client: Writer, _key: IdempotencyKey) -> ResolveIn:
    return await read_json(request, ResolveIn)


async def _reopen_body(request: Request, _client: Writer, _key: IdempotencyKey) -> ReopenIn:
    return await read_json(request, ReopenIn)


@reads.get(
    "",
    operation_id="list_discrepancies",
    summary="List discrepancies",
    dependencies=[READS, Depends(single_values)],
    responses=conditional("A page", **header("Link", 'rel="next"'))
    | responses(*ADMISSION, RequestProblem.INVALID_REQUEST, RequestProblem.CARD_NUMBER),
)
async def list_discrepancies(
    request: Request, response: Response, clearing: Injected, query: Annotated[DiscrepanciesQuery, Query()]
) -> DiscrepancyPage:
    """The most urgent first. For the next page, repeat the request with `cursor`, or follow the Link header."""
    async with clearing.at_work(Problem.DECISION_REFUSED):
        # One more than the page holds shows whether there is a next page.
        found = await discrepancies.listed(clearing.settings, query.filters(), query.limit + 1, query.cursor)
    shown, following = found[: query.limit], None
    if len(found) > len(shown):
        following = encode_cursor(shown[-1])
        url = request.url.include_query_params(cursor=following)
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return DiscrepancyPage(
        data=tuple(map(discrepancy_view, shown)), has_more=following is not None, next_cursor=following
    )


@router.get(
    "/{id}",
    operation_id="read_discrepancy",
    summary="Read a discrepancy",
    dependencies=[READS, CONDITIONAL],
    response_model=FoundDiscrepancyView,
    responses={
        200: {"description": "The discrepancy", "headers": _ETAG},
        304: {"description": "Nothing changed", "headers": _ETAG},
        **responses(*ADMISSION, Problem.NOT_FOUND, Problem.DISCREPANCY_NOT_FOUND),
    },
)
async def read_discrepancy(request: Request, response: Response, clearing: Injected, id: DiscrepancyId) -> object:
    """With its history. Its ETag is its version."""
    async with clearing.at_work(Problem.DECISION_REFUSED):
        found = await discrepancies.show(clearing.settings, id)
    etag = f'"{found.discrepancy.version}"'
    if matches(request.headers.getlist("if-none-match"), etag):
        return Response(status_code=304, headers={"ETag": etag})
    response.headers["ETag"] = etag
    return found_view(found)


async def _decided(clearing: Clearing, response: Response, decide: Callable[[], Awaitable[Decided]]) -> DiscrepancyView:
    async with clearing.at_work(Problem.DECISION_REFUSED):
        after = await decide()
    response.headers["ETag"] = f'"{after.discrepancy.version}"'
    if not after.is_new:
        response.headers[REPLAYED] = "true"
    return discrepancy_view(after.discrepancy)


@router.post(
    "/{id}/claim",
    operation_id="claim_discrepancy",
    summary="Claim a discrepancy",
    responses=_DECISION,
    openapi_extra=documented(ClaimIn),
)
async def claim(
    response: Response,
    clearing: Injected,
    client: Writer,
    key: IdempotencyKey,
    id: DiscrepancyId,
    seen: Seen,
    body: Annotated[ClaimIn, Depends(_claim_body)],
) -> DiscrepancyView:
    """The client becomes its `owner`."""
    command = Command(idempotency.operation_id(client, id, key), idempotency.fingerprint(body, "claim"))
    who = api_client(client, body.reason)
    return await _decided(
        clearing, response, lambda: discrepancies.claim(clearing.settings, who, id, seen=seen, command=command)
    )


@router.post(
    "/{id}/resolve",
    operation_id="resolve_discrepancy",
    summary="Decide on a discrepancy",
    responses=_DECISION,
    openapi_extra=documented(ResolveIn),
)
async def resolve(
    response: Response,
    clearing: Injected,
    client: Writer,
    key: IdempotencyKey,
    id: DiscrepancyId,
    seen: Seen,
    body: Annotated[ResolveIn, Depends(_resolve_body)],
) -> DiscrepancyView:
    """The next statements have to confirm it, else it opens again. Above the limit of one person a write-off or an acceptance
    is refused as `decision-refused`: it is made in the panel, where a second person approves it."""
    command = Command(idempotency.operation_id(client, id, key), idempotency.fingerprint(body, "resolve"))
    who = api_client(client, body.reason)
    return await _decided(
        clearing,
        response,
        lambda: discrepancies.resolve(clearing.settings, who, id, body.resolution, seen=seen, command=command),
    )


@router.post(
    "/{id}/reopen",
    operation_id="reopen_discrepancy",
    summary="Take a decision back",
    responses=_DECISION,
    openapi_extra=documented(ReopenIn),
)
async def reopen(
    response: Response,
    clearing: Injected,
    client: Writer,
    key: IdempotencyKey,
    id: DiscrepancyId,
    seen: Seen,
    body: Annotated[ReopenIn, Depends(_reopen_body)],
) -> DiscrepancyView:
    """A person has to look at it again."""
    command = Command(idempotency.operation_id(client, id, key), idempotency.fingerprint(body, "reopen"))
    who = api_client(client, body.reason)
    return await _decided(
        clearing, response, lambda: discrepancies.reopen(clearing.settings, who, id, seen=seen, command=command)
    )
