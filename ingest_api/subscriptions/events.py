"""``GET /v1/subscriptions/{subscription_id}/events``: its changes as they happen (server-sent events)."""

from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Header, Request
from starlette.responses import StreamingResponse

from billing.access.scopes import Scope
from billing.messages.subscription_events import SubscriptionChanged, SubscriptionSnapshot
from billing.subscriptions.decision import snapshot
from ingest_api.dependencies import Injected
from ingest_api.edge.server_sent_events import MAX_VERSION, Followed, event_response, stream_changes
from ingest_api.openapi.responses import ADMISSION, problems
from ingest_api.problems import Problem
from ingest_api.subscriptions.acting import PATH
from ingest_api.subscriptions.read import OwnSubscription
from ingest_api.subscriptions.views import subscription_view

router: Final = APIRouter(tags=["subscriptions"])

EVENT: Final = "subscription.changed"


@router.get(
    f"{PATH}/{{subscription_id}}/events",
    summary="Follow the changes of a subscription",
    response_class=StreamingResponse,
    responses={
        200: event_response(EVENT, "SubscriptionView", '{"id":"…","status":"ACTIVE","version":3}'),
        **problems(*ADMISSION, Problem.SUBSCRIPTION_NOT_FOUND, Problem.INVALID_REQUEST, Problem.TOO_MANY_STREAMS),
    },
)
async def subscription_events(
    request: Request,
    dependencies: Injected,
    subscription: OwnSubscription,
    last_event_id: Annotated[
        int | None, Header(alias="Last-Event-ID", ge=0, le=MAX_VERSION, description="the last event received")
    ] = None,
) -> StreamingResponse:
    """Server-sent events. The first is the current subscription or, with `Last-Event-ID`, the change after that version.
    Every version comes once and in order, through all lives. The stream ends when the server stops: connect again, as an
    EventSource does by itself. It ends when its API key is revoked."""
    followed = Followed[SubscriptionChanged](
        id=subscription.id,
        version=subscription.version,
        current=_json(snapshot(subscription)),
        encode=_json,
        missed=dependencies.subscriptions.changes,
        scope=Scope.SUBSCRIPTIONS_READ,
    )
    return await stream_changes(
        dependencies, dependencies.subscription_changes, followed, EVENT, request.state.api_key, last_event_id
    )


def _json(change: SubscriptionSnapshot) -> bytes:
    return msgspec.json.encode(subscription_view(change))
