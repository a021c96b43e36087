"""``POST /v1/payments``: opens a payment. The command is in Kafka before the request is answered."""

from time import monotonic
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from billing.access.scopes import Scope
from billing.messages import CreatePayment, PaymentSnapshot, WithdrawCharge
from billing.payments.decision import snapshot
from billing.payments.model import Payment
from billing.vocabulary import MethodStatus, PaymentStatus
from ingest_api.auth.client import writing_client
from ingest_api.dependencies import Dependencies
from ingest_api.edge import idempotency
from ingest_api.edge.bodies import json_body
from ingest_api.edge.fast_path import DirectRoute
from ingest_api.edge.prefer import Preference
from ingest_api.openapi.responses import COMMAND, LOCATION, REPLAYED_HEADER, RETRY_AFTER, link, problems, request_body
from ingest_api.payments.schemas import CreatePaymentIn, ReturnUrlsIn, parse
from ingest_api.payments.submit import REPLAYED, documented_preference, outcome_of_first, preferred_wait, submit
from ingest_api.payments.views import AcceptedView, PaymentView, payment_view
from ingest_api.problems import RETRY_AFTER_S, FieldError, Problem, ProblemError, refused
from ingest_api.routing.rules import ProviderChoice, RoutingCriteria
from storage.access.key_ring import ApiKey
from storage.saved_methods import StoredMethod

PATH: Final = "/v1/payments"

#: What can be done with a new payment next.
_NEXT: Final = {
    name: member
    for operation, description in {
        "read_payment": "Its state",
        "payment_events": "Its changes as they happen",
        "read_timeline": "Everything that happened to it",
        "read_operations": "Its operations",
        "capture_payment": "Capture it",
        "void_payment": "Void it",
        "refund_payment": "Refund it",
        "cancel_payment": "Cancel it unpaid",
    }.items()
    for name, member in link(operation, description, payment_id="$response.body#/id").items()
}


def create_router(dependencies: Dependencies) -> APIRouter:
    """The direct route that opens payments."""
    router = APIRouter(tags=["payments"], route_class=DirectRoute)
    router.add_api_route(
        PATH,
        PaymentCreation(dependencies).create_payment,
        methods=["POST"],
        status_code=201,
        response_model=PaymentView,
        summary="Open a payment",
        dependencies=[Depends(writing_client), Depends(idempotency.documented_key), Depends(documented_preference)],
        responses={
            201: {
                "description": "The payment is open, or already final",
                "headers": {**LOCATION, **REPLAYED_HEADER},
                "links": _NEXT,
            },
            202: {
                "model": AcceptedView,
                "description": "The command is stored, its outcome is not known yet: read the payment at Location. "
                "Carries the whole payment where that is known.",
                "headers": {**LOCATION, **RETRY_AFTER, **REPLAYED_HEADER},
                "links": _NEXT,
            },
            **problems(
                *COMMAND,
                Problem.REFUSED,
                Problem.CART_TOTAL_MISMATCH,
                Problem.UNKNOWN_PROVIDER,
                Problem.NO_PROVIDER,
                Problem.UNKNOWN_PAYMENT_METHOD,
                Problem.PAYMENT_METHOD_REMOVED,
                Problem.INVALID_ORDER,
            ),
        },
        openapi_extra=request_body(CreatePaymentIn),
    )
    return router


class PaymentCreation:
    """Authenticates, validates and submits."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    async def create_payment(self, request: Request) -> Response:
        """Waits for the provider's payment URL as long as `Prefer: wait` allows, then answers 202. Without a
        `provider` the routing rules choose one by currency, amount, `country` and `method`, and the next one when it
        does not take the payment: read `provider` and `payment_url` again when the customer returns."""
        dependencies, settings = self._dependencies, self._dependencies.settings
        started = monotonic()
        client = dependencies.admission.admit(request, Scope.PAYMENTS_WRITE)
        key = idempotency.idempotency_key(request)
        body = parse(CreatePaymentIn, await json_body(request, settings.body_limit_bytes))
        if body.provider is not None and body.provider not in dependencies.providers:
            raise ProblemError(Problem.UNKNOWN_PROVIDER, providers=sorted(dependencies.providers))
        require_allowed_hosts(body.return_urls, request.state.api_key)
        wanted = preferred_wait(request, settings)
        payment_id = idempotency.payment_id(client, key)
        command = self._command(client, payment_id, body, await self._saved_method(client, payment_id, body))
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
        replayed = dependencies.recent_keys.is_known(payment_id) or (reply is not None and reply.replayed)
        dependencies.recent_keys.remember(payment_id, command.fingerprint)
        if reply is not None and reply.refusal is not None:
            raise refused(reply.refusal)
        payment = None if reply is None else reply.payment
        if reply is not None and reply.replayed and payment is not None and not _is_usable(payment):
            first = await outcome_of_first(
                dependencies,
                request,
                client,
                payment_id,
                _is_usable,
                started + wanted.wait_s,
            )
            payment = payment if first is None else snapshot(first, first.operations)
        return _answer(payment_id, payment, body.metadata, applied, replayed=replayed)

    async def _saved_method(self, client: str, payment_id: UUID, body: CreatePaymentIn) -> StoredMethod | None:
        """The method to charge. 422 where the customer has none with this id, 409 where it is removed and this is no
        repeat; 503 while a worker runs that keeps no saved methods."""
        dependencies, method_id = self._dependencies, body.payment_method_id
        if method_id is None and not body.save_method:
            return None
        if not await dependencies.reads.is_understood(WithdrawCharge.TYPE):  # as old as saved methods
            raise ProblemError(Problem.UPGRADE_IN_PROGRESS, headers={"Retry-After": str(RETRY_AFTER_S)})
        if method_id is None:
            return None
        method = await dependencies.methods.method(client, method_id)
        if method is None or method.customer_id != body.customer_id:
            raise ProblemError(Problem.UNKNOWN_PAYMENT_METHOD)
        if method.provider not in dependencies.providers:
            raise ProblemError(Problem.UNKNOWN_PROVIDER, providers=sorted(dependencies.providers))
        if method.status is not MethodStatus.ACTIVE and await dependencies.reads.payment(client, payment_id) is None:
            raise ProblemError(Problem.PAYMENT_METHOD_REMOVED)
        return method

    def _command(
        self, client: str, payment_id: UUID, body: CreatePaymentIn, method: StoredMethod | None
    ) -> CreatePayment:
        choice = self._choice(body) if method is None else ProviderChoice(None, (method.provider,))
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
            save_method=body.save_method,
            saved_method=None if method is None else method.method_ref,
        )

    def _choice(self, body: CreatePaymentIn) -> ProviderChoice:
        if body.provider is not None:
            return ProviderChoice(None, (body.provider,))
        return self._dependencies.selector.choose(
            RoutingCriteria(body.currency, body.amount, body.country, body.method, body.capture_mode)
        )


def require_allowed_hosts(return_urls: ReturnUrlsIn | None, key: ApiKey) -> None:
    """422 for a URL at a host that the client may not send its customers to."""
    if return_urls is None or key.return_hosts is None:
        return
    urls = {"success": return_urls.success, "failure": return_urls.failure}
    errors = [
        FieldError(f"/return_urls/{name}", "Should have a host that is allowed to this API client")
        for name, url in urls.items()
        if not key.may_return_to(urlsplit(url).hostname or "")
    ]
    if errors:
        raise ProblemError(Problem.INVALID_REQUEST, errors=errors)


def _is_usable(payment: PaymentSnapshot | Payment) -> bool:
    """Without its URL a pending payment is of no use to a checkout yet."""
    return payment.payment_url is not None or payment.status is not PaymentStatus.PENDING


def _answer(
    payment_id: UUID, payment: PaymentSnapshot | None, metadata: dict[str, str], wanted: Preference, *, replayed: bool
) -> Response:
    headers = {"Location": f"{PATH}/{payment_id}"}
    if wanted.applied is not None:
        headers["Preference-Applied"] = wanted.applied
    if replayed:
        headers[REPLAYED] = "true"
    status = 202
    if payment is None:
        content = msgspec.json.encode(AcceptedView(id=payment_id))
    else:
        content = msgspec.json.encode(payment_view(payment, metadata))
        if _is_usable(payment):
            status = 201
    if status == 202:  # noqa: PLR2004
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return Response(content, status_code=status, headers=headers, media_type="application/json")
