"""``GET /v1/payments/{payment_id}/events``: a payment's changes as they happen (server-sent events)."""

import re
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from billing.access.scopes import Scope
from billing.messages import PaymentChanged
from billing.payments.decision import view
from billing.payments.model import Payment
from ingest_api.dependencies import Dependencies
from ingest_api.kafka.change_streams import ChangeStream
from ingest_api.payments.read import own_payment
from ingest_api.payments.views import payment_view
from ingest_api.problems import FieldError, Problem, ProblemError, unavailable

PATH: Final = "/v1/payments/{payment_id}/events"

#: Seconds without a change after which a comment is sent: proxies close what is silent for longer, and a client that
#: is gone is noticed.
KEEP_ALIVE_S: Final = 15.0
#: Milliseconds after which a client connects again.
RETRY_MS: Final = 1000
#: Changes read from the journal at once.
PAGE: Final = 50

_VERSION: Final = re.compile(r"[0-9]{1,9}")


class PaymentEventsHandler:
    """Resumes behind ``Last-Event-ID``; without it the first event is the payment as it stands."""

    def __init__(self, dependencies: Dependencies, keep_alive_s: float = KEEP_ALIVE_S) -> None:
        self._dependencies = dependencies
        self._keep_alive_s = keep_alive_s

    async def __call__(self, request: Request) -> Response:
        client = self._dependencies.admission.admit(request, Scope.PAYMENTS_READ)
        last = request.headers.get("last-event-id")
        if last is not None and not _VERSION.fullmatch(last):
            detail = "Should be the id of an event of this payment"
            raise ProblemError(Problem.INVALID_REQUEST, errors=[FieldError("/Last-Event-ID", detail)])
        payment = await own_payment(self._dependencies.reads, request, client)
        events = self._events(payment, None if last is None else int(last))
        first = await anext(events)  # a refusal comes before the answer has begun
        return StreamingResponse(_chain(first, events), media_type="text/event-stream")

    async def _events(self, payment: Payment, last: int | None) -> AsyncIterator[bytes]:
        dependencies = self._dependencies
        with dependencies.changes.listen(payment.id) as stream:
            if stream is None:
                raise unavailable("no more clients can listen here")
            yield f"retry: {RETRY_MS}\n\n".encode()
            if last is None:
                last = payment.version
                yield _event(view(payment, payment.operations))
            while not stream.closed:
                async for change in self._due(stream, payment, last):
                    last = change.version
                    yield _event(change)
                if not await stream.wait(self._keep_alive_s):
                    yield b": still here\n\n"
                    if not dependencies.changes.is_live:
                        stream.fall_behind()

    async def _due(self, stream: ChangeStream, payment: Payment, last: int) -> AsyncIterator[PaymentChanged]:
        """The changes after version ``last`` that are known by now, each once."""
        changes = stream.drain()
        if stream.behind:
            stream.behind = False
            async for change in self._missed(payment, last):
                last = change.version
                yield change
        for change in changes:
            if change.version > last + 1:  # one in between did not reach us: the journal has it
                stream.fall_behind()
                return
            if change.version == last + 1:
                last = change.version
                yield change

    async def _missed(self, payment: Payment, version: int) -> AsyncIterator[PaymentChanged]:
        while page := await self._dependencies.reads.changes(payment.id, version, PAGE):
            for change in page:
                yield change
            version = page[-1].version


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in rest:
        yield part


def _event(change: PaymentChanged) -> bytes:
    data = msgspec.json.encode(payment_view(change))
    return b"event: payment.changed\nid: %d\ndata: %s\n\n" % (change.version, data)
