"""``POST /v1/payments``: a payment is asked for; the command is in Kafka before it is answered."""

from time import monotonic
from typing import Final
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from billing.access.scopes import Scope
from billing.messages import CreatePayment, Reply
from billing.vocabulary import PaymentStatus
from ingest_api.dependencies import Dependencies
from ingest_api.edge import idempotency
from ingest_api.edge.bodies import json_body
from ingest_api.edge.prefer import Preference, preference
from ingest_api.payments.schemas import CreatePaymentIn, parse
from ingest_api.payments.submit import submit
from ingest_api.payments.views import AcceptedView, payment_view
from ingest_api.problems import RETRY_AFTER_S, Problem, ProblemError, refused
from ingest_api.routing.rules import ProviderChoice, RoutingCriteria

PATH: Final = "/v1/payments"


class CreatePaymentHandler:
    """Authenticate, validate, submit."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    async def __call__(self, request: Request) -> Response:
        dependencies, settings = self._dependencies, self._dependencies.settings
        started = monotonic()
        client = dependencies.admission.admit(request, Scope.PAYMENTS_WRITE)
        key = idempotency.idempotency_key(request)
        body = parse(CreatePaymentIn, await json_body(request, settings.body_limit_bytes))
        if body.provider is not None and body.provider not in dependencies.providers:
            raise ProblemError(Problem.UNKNOWN_PROVIDER, providers=sorted(dependencies.providers))
        wanted = preference(request.headers.getlist("prefer"), settings.wait_default_s, settings.wait_max_s)
        payment_id = idempotency.payment_id(client, key)
        command = self._command(client, payment_id, body)
        if dependencies.recent_keys.conflicts(payment_id, command.fingerprint):
            raise ProblemError(Problem.IDEMPOTENCY_KEY_REUSED, "this Idempotency-Key was used before with another body")
        reply, applied = await submit(
            dependencies,
            request,
            command,
            id=f"{payment_id}/create",
            source=PATH,
            client=client,
            wanted=wanted,
            deadline=started + wanted.wait_s,
        )
        dependencies.recent_keys.remember(payment_id, command.fingerprint)
        return _answer(payment_id, reply, applied)

    def _command(self, client: str, payment_id: UUID, body: CreatePaymentIn) -> CreatePayment:
        choice = self._choice(body)
        return CreatePayment(
            payment_id=payment_id,
            client_id=client,
            fingerprint=idempotency.fingerprint(body),
            order=body.order(idempotency.order_id(payment_id)),
            provider=choice.providers[0],
            capture_mode=body.capture_mode,
            payment_ttl_s=self._dependencies.settings.payment_ttl_s,
            alternatives=choice.providers[1:],
            route=choice.rule,
        )

    def _choice(self, body: CreatePaymentIn) -> ProviderChoice:
        if body.provider is not None:
            return ProviderChoice(None, (body.provider,))
        return self._dependencies.selector.choose(
            RoutingCriteria(body.currency, body.amount, body.country, body.method)
        )


def _answer(payment_id: UUID, reply: Reply | None, wanted: Preference) -> Response:
    if reply is not None and reply.refusal is not None:
        raise refused(reply.refusal)
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
