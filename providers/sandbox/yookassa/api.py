"""YooKassa's API v3 over HTTP, by its document: credentials, idempotency keys, errors, lists."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp
import msgspec
from aiohttp import web

from providers.sandbox import json_http
from providers.sandbox.context import SandboxContext
from providers.sandbox.imitation import Imitation
from providers.sandbox.ledger import Order
from providers.sandbox.replays import KeyReused, Replays, digest
from providers.sandbox.statements import spoilt
from providers.sandbox.yookassa import lists, serializers
from providers.sandbox.yookassa.errors import CODES, Refused
from providers.sandbox.yookassa.model import PROVIDER, Payments
from providers.yookassa.settings import YooKassaSettings

PREFIX: Final = "/yookassa/v3"
KEY: Final = "Idempotence-Key"
MAX_KEY: Final = 64
#: As documented: 24 hours, in seconds.
IDEMPOTENCY_S: Final = 86_400.0

Act = Callable[[web.Request, dict[str, Any], str], dict[str, Any]]
Read = Callable[[web.Request], dict[str, Any]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class YooKassaApi:
    """The API's handlers over the ``payments``."""

    def __init__(
        self, imitation: Imitation, payments: Payments, settings: YooKassaSettings, context: SandboxContext
    ) -> None:
        self._imitation = imitation
        self._payments = payments
        self._ledger = context.ledger
        self._faults = context.faults
        self._statements = context.statements
        self._replays = Replays(PROVIDER, context.ledger, IDEMPOTENCY_S)
        self._shop_id = settings.shop_id
        self._authorization = aiohttp.encode_basic_auth(settings.shop_id, settings.secret_key.get_secret_value())

    def routes(self) -> list[web.RouteDef]:
        """The API's routes."""
        payment = f"{PREFIX}/payments/{{payment_id}}"
        return [
            web.post(f"{PREFIX}/payments", self._writes(None, self._create)),
            web.get(f"{PREFIX}/payments", self._reads(self._payments_list, "captured_at")),
            web.get(payment, self._reads(self._payment)),
            web.post(f"{payment}/capture", self._writes("capture", self._capture)),
            web.post(f"{payment}/cancel", self._writes("void", self._cancel)),
            web.post(f"{PREFIX}/refunds", self._writes("refund", self._refund)),
            web.get(f"{PREFIX}/refunds", self._reads(self._refunds_list, "created_at")),
            web.get(f"{PREFIX}/refunds/{{refund_id}}", self._reads(self._read_refund)),
            web.get(f"{PREFIX}/me", self._reads(self._me)),
        ]

    def _reads(self, read: Read, field: str | None = None) -> Handler:
        """Common to all reads: the credentials and the faults. ``field``: the time by which a list is a statement."""

        async def handle(request: web.Request) -> web.StreamResponse:
            if not self._knows(request):
                return error(401, "the shop or its key is not known")
            if (struck := await self._faults.before(request, self._imitation, "inquire")) is not None:
                return struck
            try:
                answer = json_http.answer(read(request))
                if field is not None and lists.is_statement(request.query, field):
                    since = serializers.unix_s(request.query[f"{field}.gte"])
                    answer = spoilt(
                        answer, self._statements.file_fault(PROVIDER, since), error(404, "no statement yet")
                    )
            except Refused as refused:
                return error(refused.status, refused.description, refused.parameter)
            return await self._faults.after(self._imitation, "inquire") or answer

        return handle

    def _writes(self, name: str | None, act: Act) -> Handler:
        """Common to all writes: the credentials, the key, the faults. ``name``: its name in faults and the
        ledger; ``None``: a payment, with the customer or without."""

        async def handle(request: web.Request) -> web.StreamResponse:
            if not self._knows(request):
                return error(401, "the shop or its key is not known")
            try:
                body = msgspec.json.decode(await request.read() or b"{}", type=dict[str, Any])
            except msgspec.MsgspecError as problem:
                return error(400, str(problem))
            operation = name or ("recur" if "payment_method_id" in body else "create")
            if (struck := await self._faults.before(request, self._imitation, operation)) is not None:
                return struck
            try:
                answer = self._once(request, operation, body, act)
            except Refused as refused:
                return error(refused.status, refused.description, refused.parameter)
            return await self._faults.after(self._imitation, operation) or answer

        return handle

    def _once(self, request: web.Request, operation: str, body: dict[str, Any], act: Act) -> web.Response:
        key = request.headers.get(KEY, "")
        if not 1 <= len(key) <= MAX_KEY:
            raise Refused(400, "missing or too long", KEY)
        asked = digest([request.path, body])
        try:
            known = self._replays.find(key, asked)
        except KeyReused:
            raise Refused(400, "the key was used for another request", KEY) from None
        if known is not None:
            self._note_repeat(operation, key, msgspec.json.decode(known.body))
            return web.Response(status=known.status, body=known.body, content_type="application/json")
        with self._ledger.change():
            answer = json_http.answer(act(request, body, key))
            assert isinstance(answer.body, bytes)
            self._replays.keep(key, asked, answer.status, answer.body)
        return answer

    def _note_repeat(self, operation: str, key: str, answered: dict[str, Any]) -> None:
        order = self._payments.find(answered.get("payment_id", answered["id"]))
        order.note(operation, key)
        self._payments.changes.put(order)

    def _knows(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == self._authorization

    def _create(self, _request: web.Request, body: dict[str, Any], key: str) -> dict[str, Any]:
        open = self._payments.recur if "payment_method_id" in body else self._payments.open
        return self._payments.view(open(body, key))

    def _capture(self, request: web.Request, body: dict[str, Any], key: str) -> dict[str, Any]:
        return self._payments.view(self._payments.capture(self._order(request), body, key))

    def _cancel(self, request: web.Request, _body: dict[str, Any], key: str) -> dict[str, Any]:
        return self._payments.view(self._payments.cancel(self._order(request), key))

    def _refund(self, _request: web.Request, body: dict[str, Any], key: str) -> dict[str, Any]:
        order = self._payments.find(str(body.get("payment_id", "")))
        return serializers.refund(order, self._payments.refund(order, body, key))

    def _payment(self, request: web.Request) -> dict[str, Any]:
        order = self._order(request)
        return self._payments.view(order)

    def _payments_list(self, request: web.Request) -> dict[str, Any]:
        return lists.payments(self._ledger, self._statements, request.query, self._payments.view)

    def _refunds_list(self, request: web.Request) -> dict[str, Any]:
        return lists.refunds(self._ledger, self._statements, request.query)

    def _read_refund(self, request: web.Request) -> dict[str, Any]:
        id = request.match_info["refund_id"]
        order = self._ledger.find_by_operation(id)
        operation = None if order is None else next((o for o in order.operations if o.id == id), None)
        if order is None or operation is None or operation.type != "REFUND":
            raise Refused(404, "no such refund", "refund_id")
        return serializers.refund(order, operation)

    def _me(self, _request: web.Request) -> dict[str, Any]:
        return {"account_id": self._shop_id, "status": "enabled", "test": True, "payment_methods": ["bank_card"]}

    def _order(self, request: web.Request) -> Order:
        return self._payments.find(request.match_info["payment_id"])


def error(status: int, description: str, parameter: str | None = None, retry_ms: int | None = None) -> web.Response:
    """The envelope of an error. ``retry_ms``: how long to wait, milliseconds."""
    body: dict[str, Any] = {
        "type": "error", "id": str(uuid.uuid4()), "code": CODES[status], "description": description,
    }  # fmt: skip
    if parameter is not None:
        body["parameter"] = parameter
    if retry_ms is not None:
        body["retry_after"] = retry_ms
    return json_http.answer(body, status)
