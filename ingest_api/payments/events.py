"""``GET /v1/payments/{payment_id}/events``: a payment's changes as they happen (server-sent events)."""

from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Header, Request
from starlette.responses import StreamingResponse

from billing.access.scopes import Scope
from billing.messages import PaymentChanged, PaymentSnapshot
from billing.payments.decision import snapshot
from ingest_api.dependencies import Injected
from ingest_api.edge.server_sent_events import MAX_VERSION, Followed, event_response, stream_changes
from ingest_api.openapi.responses import ADMISSION, OWN_PAYMENT, problems
from ingest_api.payments.read import OwnPayment
from ingest_api.payments.views import payment_view
from ingest_api.problems import Problem

router: Final = APIRouter(tags=["payments"])

EVENT: Final = "payment.changed"


@router.get(
    "/v1/payments/{payment_id}/events",
    summary="Follow the changes of a payment",
    response_class=StreamingResponse,
    responses={
        200: event_response(EVENT, "PaymentView", '{"id":"…","status":"CAPTURED","version":3}'),
        **problems(*ADMISSION, *OWN_PAYMENT, Problem.INVALID_REQUEST, Problem.TOO_MANY_STREAMS),
    },
)
async def payment_events(
    request: Request,
    dependencies: Injected,
    payment: OwnPayment,
    last_event_id: Annotated[
        int | None, Header(alias="Last-Event-ID", ge=0, le=MAX_VERSION, description="the last event received")
    ] = None,
) -> StreamingResponse:
    """Server-sent events. The first is the current payment or, with `Last-Event-ID`, the change after that version.
    Every version comes once and in order; `operations` holds those that the change created or changed. The stream ends
    when the server stops: connect again, as an EventSource does by itself. It ends when its API key is revoked."""

    def encode(change: PaymentSnapshot) -> bytes:
        return msgspec.json.encode(payment_view(change, payment.order.metadata))

    followed = Followed[PaymentChanged](
        id=payment.id,
        version=payment.version,
        current=encode(snapshot(payment, payment.operations)),
        encode=encode,
        missed=dependencies.reads.changes,
        scope=Scope.PAYMENTS_READ,
    )
    return await stream_changes(
        dependencies, dependencies.changes, followed, EVENT, request.state.api_key, last_event_id
    )
