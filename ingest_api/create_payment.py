"""``POST /v1/payments``: a payment is asked for; the command is in Kafka before it is answered."""

import re
from time import monotonic
from typing import Final
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from billing.messages import CreatePayment, Envelope, Refusal, Reply, ReplyTo
from billing.topics import INBOX
from billing.vocabulary import PaymentStatus
from ingest_api import idempotency
from ingest_api.body import read_body, require_json
from ingest_api.parts import Parts
from ingest_api.payment_view import AcceptedView, payment_view
from ingest_api.prefer import Preference, preference
from ingest_api.problems import REFUSALS, RETRY_AFTER_S, Problem, ProblemError
from ingest_api.schemas import CreatePaymentIn, parse_create_payment

PATH: Final = "/v1/payments"

_TRACEPARENT: Final = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class CreatePaymentHandler:
    """Authenticate, validate, store, and wait for the reply as long as the client wants to."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def __call__(self, request: Request) -> Response:
        parts, settings = self._parts, self._parts.settings
        started = monotonic()
        client = parts.keys.authenticate(request)
        key = idempotency.idempotency_key(request)
        require_json(request)
        body = parse_create_payment(await read_body(request, settings.body_limit_bytes))
        if body.provider not in parts.providers:
            raise ProblemError(Problem.UNKNOWN_PROVIDER, providers=sorted(parts.providers))
        wanted = preference(request.headers.getlist("prefer"), settings.wait_default_s, settings.wait_max_s)
        payment_id = idempotency.payment_id(client, key)
        command = self._command(client, payment_id, body)
        partition = parts.replies.partition
        if wanted.wait_s == 0 or partition is None:
            await self._store(request, command)
            return _answer(payment_id, None, wanted if wanted.wait_s == 0 else Preference(0))
        correlation_id = parts.new_id()
        with parts.waiting.place(correlation_id) as future:
            if future is None:
                await self._store(request, command)
                return _answer(payment_id, None, Preference(0))
            command = msgspec.structs.replace(command, reply_to=ReplyTo(partition, correlation_id))
            await self._store(request, command)
            reply = await parts.waiting.wait(future, request.receive, started + wanted.wait_s - monotonic())
        return _answer(payment_id, reply, wanted)

    def _command(self, client: str, payment_id: UUID, body: CreatePaymentIn) -> CreatePayment:
        return CreatePayment(
            payment_id=payment_id,
            client_id=client,
            fingerprint=idempotency.fingerprint(body),
            order=body.order(idempotency.order_id(payment_id)),
            provider=body.provider,
            capture_mode=body.capture_mode,
            payment_ttl_s=self._parts.settings.payment_ttl_s,
        )

    async def _store(self, request: Request, command: CreatePayment) -> None:
        subject = str(command.payment_id)
        traceparent = request.headers.get("traceparent")
        envelope = Envelope.wrap(
            command,
            id=f"{subject}/create",
            source=PATH,
            subject=subject,
            time=self._parts.clock(),
            actor=f"client:{command.client_id}",
            traceparent=traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else None,
        )
        await self._parts.writer.store(INBOX.name, subject.encode(), envelope.encode())


def _answer(payment_id: UUID, reply: Reply | None, wanted: Preference) -> Response:
    if reply is not None and reply.refusal is not None:
        raise _refused(reply.refusal)
    headers = {"Location": f"{PATH}/{payment_id}"}
    if wanted.applied is not None:
        headers["Preference-Applied"] = wanted.applied
    payment = None if reply is None else reply.payment
    status = 202
    if payment is None:
        content = msgspec.json.encode(AcceptedView(id=payment_id))
    else:
        content = msgspec.json.encode(payment_view(payment))
        # Without its URL a pending payment is of no use to a checkout yet.
        if payment.payment_url is not None or payment.status is not PaymentStatus.PENDING:
            status = 201
    if status == 202:  # noqa: PLR2004
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return Response(content, status_code=status, headers=headers, media_type="application/json")


def _refused(refusal: Refusal) -> ProblemError:
    problem = REFUSALS.get(refusal.code)
    if problem is None:
        return ProblemError(Problem.REFUSED, refusal.detail, code=refusal.code)
    return ProblemError(problem, refusal.detail)
