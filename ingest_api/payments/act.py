"""``POST /v1/payments/{payment_id}/capture``, ``/void``, ``/refund``, ``/cancel``."""

from time import monotonic
from typing import Final
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from billing.access.scopes import Scope
from billing.messages import PaymentChanged
from billing.payments.decide import decide
from billing.payments.decision import heard, view
from billing.payments.model import Payment
from ingest_api.dependencies import Parts
from ingest_api.edge import idempotency
from ingest_api.edge.json_body import json_body
from ingest_api.edge.prefer import Preference, preference
from ingest_api.payments.actions import ACTIONS, Asked
from ingest_api.payments.own_payment import own_payment
from ingest_api.payments.schemas import parse
from ingest_api.payments.submit import submit
from ingest_api.payments.views import OperationResult, operation_result
from ingest_api.problems import RETRY_AFTER_S, refused

PATH: Final = "/v1/payments/{payment_id}/"


class ActOnPaymentHandler:
    """One of :data:`~ingest_api.payments.actions.ACTIONS`.

    What the books refuse already is refused at once, and what they know already is answered from them: a repeat
    reaches its operation, another body with its key is told apart by the fingerprint. The payments agent decides
    again, on the payment as it is then.
    """

    def __init__(self, parts: Parts, name: str) -> None:
        self._parts = parts
        self._name = name
        self._action = ACTIONS[name]

    async def __call__(self, request: Request) -> Response:
        parts, settings, action = self._parts, self._parts.settings, self._action
        started = monotonic()
        client = parts.gate.admit(request, Scope.PAYMENTS_WRITE)
        key = idempotency.idempotency_key(request)
        body = parse(action.body, await json_body(request, settings.body_limit_bytes))
        wanted = preference(request.headers.getlist("prefer"), settings.wait_default_s, settings.wait_max_s)
        payment = await own_payment(parts.reads, request, client)
        operation_id = idempotency.operation_id(client, payment.id, key)
        command = action.command(payment.id, operation_id, body, idempotency.fingerprint(body, self._name))
        if payment.operation(operation_id) is None:
            action.admits(payment)
        foreseen = self._foreseen(payment, command)
        if payment.operation(operation_id) is not None:
            return _answer(operation_result(foreseen, operation_id, known=True), Preference(0))
        reply, applied = await submit(
            parts,
            request,
            command,
            id=f"{payment.id}/{operation_id}",
            source=f"/v1/payments/{payment.id}/{self._name}",
            client=client,
            wanted=wanted,
            deadline=started + wanted.wait_s,
        )
        if reply is not None and reply.refusal is not None:
            raise refused(reply.refusal)
        if reply is None or reply.payment is None:
            return _answer(operation_result(foreseen, operation_id, known=False), applied)
        return _answer(operation_result(reply.payment, operation_id, known=True), applied)

    def _foreseen(self, payment: Payment, command: Asked) -> PaymentChanged:
        """The payment as it would be after ``command``; raises what the domain refuses."""
        decision = decide(payment, heard(command), self._parts.clock())
        if decision.reply is not None and decision.reply.refusal is not None:
            raise refused(decision.reply.refusal)
        assert decision.payment is not None
        return view(decision.payment, decision.payment.operations)


def _answer(result: OperationResult, wanted: Preference) -> Response:
    headers = {"Location": operation_url(result.payment_id, result.id)}
    if wanted.applied is not None:
        headers["Preference-Applied"] = wanted.applied
    status = 200 if result.is_final else 202
    if not result.is_final:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return Response(msgspec.json.encode(result), status_code=status, headers=headers, media_type="application/json")


def operation_url(payment_id: UUID, operation_id: UUID) -> str:
    """Where an operation is read."""
    return f"/v1/payments/{payment_id}/operations/{operation_id}"
