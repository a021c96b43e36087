"""``GET /v1/payments/{payment_id}/events``: a payment's changes as they happen (server-sent events)."""

from collections.abc import AsyncIterator
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Header, Request
from starlette.responses import StreamingResponse

from billing.access.scopes import Scope
from billing.messages import PaymentChanged, PaymentSnapshot
from billing.payments.decision import snapshot
from billing.payments.model import Payment
from ingest_api.dependencies import Dependencies, Injected
from ingest_api.kafka.change_streams import ChangeStream
from ingest_api.openapi.responses import ADMISSION, OWN_PAYMENT, SCHEMA_REF, problems
from ingest_api.payments.read import OwnPayment
from ingest_api.payments.views import payment_view
from ingest_api.problems import Problem
from storage.access.key_ring import ApiKey

router: Final = APIRouter(tags=["payments"])

#: Seconds without a change after which a comment is sent: proxies close connections that are silent for longer, and
#: the write shows whether the client is still connected.
KEEP_ALIVE_S: Final = 15.0
#: Milliseconds after which a client connects again.
RETRY_MS: Final = 1000
#: Changes read from the journal at once.
PAGE: Final = 50
#: Versions have at most nine digits.
MAX_VERSION: Final = 999_999_999

_EVENT_SCHEMA: Final = {
    "type": "object",
    "required": ["event", "id", "data"],
    "properties": {
        "event": {"const": "payment.changed"},
        "id": {"type": "string", "pattern": "^[0-9]+$", "description": "the payment's version"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": SCHEMA_REF.format(name="PaymentView")},
        },
    },
}
_EVENT_EXAMPLE: Final = {
    "event": "payment.changed",
    "id": "3",
    "data": '{"id":"…","status":"CAPTURED","version":3}',
}


@router.get(
    "/v1/payments/{payment_id}/events",
    summary="Follow the changes of a payment",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "A stream; this is one event of it",
            "content": {"text/event-stream": {"schema": _EVENT_SCHEMA, "example": _EVENT_EXAMPLE}},
        },
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
    events = _events(dependencies, payment, request.state.api_key, last_event_id)
    first = await anext(events)  # a refusal has to come before the response begins
    return StreamingResponse(_chain(first, events), media_type="text/event-stream")


async def _events(dependencies: Dependencies, payment: Payment, key: ApiKey, last: int | None) -> AsyncIterator[bytes]:
    admission = dependencies.admission
    look_s = min(KEEP_ALIVE_S, dependencies.settings.api_keys_refresh_s)
    silent_s = 0.0
    with dependencies.changes.listen(payment.id, key.client) as stream:
        yield f"retry: {RETRY_MS}\n\n".encode()
        if last is None:
            last = payment.version
            yield _event(snapshot(payment, payment.operations), payment.order.metadata)
        while not stream.closed and admission.is_valid(key, Scope.PAYMENTS_READ):
            async for change in _due(dependencies, stream, payment, last):
                last = change.version
                yield _event(change, payment.order.metadata)
            silent_s = 0.0 if await stream.wait(look_s) else silent_s + look_s
            if silent_s >= KEEP_ALIVE_S:
                silent_s = 0.0
                yield b": still here\n\n"
                if not dependencies.changes.is_live:
                    stream.fall_behind()


async def _due(
    dependencies: Dependencies, stream: ChangeStream, payment: Payment, last: int
) -> AsyncIterator[PaymentChanged]:
    """The changes after version ``last`` that are known by now, each once."""
    changes = stream.drain()
    if stream.behind:
        stream.behind = False
        async for change in _missed(dependencies, payment, last):
            last = change.version
            yield change
    for change in changes:
        if change.version > last + 1:  # one in between did not reach us: the journal has it
            stream.fall_behind()
            return
        if change.version == last + 1:
            last = change.version
            yield change


async def _missed(dependencies: Dependencies, payment: Payment, version: int) -> AsyncIterator[PaymentChanged]:
    while page := await dependencies.reads.changes(payment.id, version, PAGE):
        for change in page:
            yield change
        version = page[-1].version


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in rest:
        yield part


def _event(change: PaymentSnapshot, metadata: dict[str, str]) -> bytes:
    data = msgspec.json.encode(payment_view(change, metadata))
    return b"event: payment.changed\nid: %d\ndata: %s\n\n" % (change.version, data)
