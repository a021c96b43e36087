"""Stripe's API over HTTP, by its reference: keys, forms, idempotency, errors, lists."""

import math
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from aiohttp import web

from providers.sandbox import json_http
from providers.sandbox.context import SandboxContext
from providers.sandbox.imitation import Imitation
from providers.sandbox.replays import KeyReused, Replays, digest
from providers.sandbox.statements import Stated, spoilt
from providers.sandbox.stripe import lists, parameters, serializers
from providers.sandbox.stripe.model import Payments
from providers.sandbox.stripe.parameters import Refused
from providers.sandbox.stripe.requests import PROVIDER
from providers.stripe.settings import StripeSettings

PREFIX: Final = "/stripe"
KEY: Final = "Idempotency-Key"
MAX_KEY: Final = 255
#: Kept for at least 24 hours, as documented; in seconds.
IDEMPOTENCY_S: Final = 86_400.0
SHOULD_RETRY: Final = "Stripe-Should-Retry"
#: After every id of letters and digits.
LAST: Final = "~"

Params = dict[str, Any]
Write = Callable[[web.Request, Params, str | None], dict[str, Any]]
Read = Callable[[web.Request, Params], dict[str, Any]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class StripeApi:
    """The API's handlers over the ``payments``."""

    def __init__(
        self, imitation: Imitation, payments: Payments, settings: StripeSettings, context: SandboxContext
    ) -> None:
        self._imitation = imitation
        self._payments = payments
        self._ledger = context.ledger
        self._faults = context.faults
        self._statements = context.statements
        self._replays = Replays(PROVIDER, context.ledger, IDEMPOTENCY_S)
        self._authorization = f"Bearer {settings.secret_key.get_secret_value()}"
        self._under_way: set[str] = set()

    def routes(self) -> list[web.RouteDef]:
        """The API's routes."""
        sessions, intents = f"{PREFIX}/v1/checkout/sessions", f"{PREFIX}/v1/payment_intents"
        session, intent, refunds = f"{sessions}/{{id}}", f"{intents}/{{id}}", f"{PREFIX}/v1/refunds"
        return [
            web.post(sessions, self._writes("create", self._open)),
            web.get(sessions, self._reads(self._sessions)),
            web.get(session, self._reads(self._session)),
            web.post(f"{session}/expire", self._writes("rollback", self._expire)),
            web.post(intents, self._writes(None, self._create)),
            web.get(intents, self._reads(self._intents)),
            web.get(intent, self._reads(self._intent)),
            web.post(f"{intent}/confirm", self._writes(None, self._confirm)),
            web.post(f"{intent}/capture", self._writes("capture", self._capture)),
            web.post(f"{intent}/cancel", self._writes("void", self._cancel)),
            web.post(refunds, self._writes("refund", self._refund)),
            web.get(refunds, self._reads(self._refunds)),
            web.get(f"{refunds}/{{id}}", self._reads(self._read_refund)),
            web.get(f"{PREFIX}/v1/balance_transactions", self._reads(self._transactions, is_statement=True)),
        ]

    def _reads(self, read: Read, *, is_statement: bool = False) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            if request.headers.get("Authorization") != self._authorization:
                return _unknown_key()
            if (struck := await self._faults.before(request, self._imitation, "inquire")) is not None:
                return struck
            try:
                params = parameters.decode(request.query_string)
                answer = json_http.answer(read(request, params))
                if is_statement and "created" in params:
                    fault = self._statements.file_fault(PROVIDER, lists.stretch(params)[0])
                    absent = _error("invalid_request_error", "the data are not complete yet", "resource_missing")
                    answer = spoilt(answer, fault, error(404, absent))
            except Refused as refused:
                answer = error(refused.status, refused.error)
            return await self._faults.after(self._imitation, "inquire") or answer

        return handle

    def _writes(self, name: str | None, act: Write) -> Handler:
        """Common to all writes: the credentials, the key, the faults. ``name``: its name in faults and the
        ledger; ``None``: a charge, with the customer or without."""

        async def handle(request: web.Request) -> web.StreamResponse:
            if request.headers.get("Authorization") != self._authorization:
                return _unknown_key()
            key = request.headers.get(KEY)
            try:
                params = parameters.decode(await request.text())
                if key is not None and not 1 <= len(key) <= MAX_KEY:
                    raise parameters.invalid("the key is empty or too long", KEY)
            except Refused as refused:
                return error(refused.status, refused.error)
            operation = name or ("recur" if parameters.flag(params, "off_session") else "create")
            if key in self._under_way:
                return error(409, _error("idempotency_error", "in progress", "idempotency_key_in_use"))
            try:
                self._under_way |= {key} if key is not None else set()
                if (struck := await self._faults.before(request, self._imitation, operation)) is not None:
                    return struck
                answer = self._once(request, operation, params, key, act)
            finally:
                self._under_way.discard(key or "")
            return await self._faults.after(self._imitation, operation) or answer

        return handle

    def _once(
        self, request: web.Request, operation: str, params: Params, key: str | None, act: Write
    ) -> web.StreamResponse:
        asked = digest([request.path, params])
        try:
            known = None if key is None else self._replays.find(key, asked)
        except KeyReused:
            return error(400, _error("idempotency_error", "Keys can only be used with the same parameters."))
        if known is not None:
            self._note_repeat(operation, key)
            headers = {"Idempotent-Replayed": "true"} | ({SHOULD_RETRY: "false"} if known.status >= 500 else {})  # noqa: PLR2004
            return web.Response(status=known.status, body=known.body, content_type="application/json", headers=headers)
        with self._ledger.change():
            answer, kept = self._act(request, params, key, act)
            if kept and self._faults.draw(PROVIDER, operation, "error_500_after_commit") is not None:
                # The error after the operation is the answer to the key from now on.
                answer = error(500, _error("api_error", "done, but not answered"), {SHOULD_RETRY: "false"})
            if kept and key is not None:
                assert isinstance(answer.body, bytes)
                self._replays.keep(key, asked, answer.status, answer.body)
        return answer

    def _act(self, request: web.Request, params: Params, key: str | None, act: Write) -> tuple[web.Response, bool]:
        """The answer, and whether it is kept: a refusal of an invalid request is not."""
        try:
            return json_http.answer(act(request, params, key), headers=_named()), True
        except Refused as refused:
            return error(refused.status, refused.error), refused.kept

    def _note_repeat(self, operation: str, key: str | None) -> None:
        order = None if key is None else self._ledger.find_by_operation(key)
        if order is not None:
            order.note(operation, key)
            self._payments.changes.put(order)

    def _open(self, _request: web.Request, params: Params, key: str | None) -> dict[str, Any]:
        return self._payments.session(self._payments.open(params, key))

    def _expire(self, request: web.Request, _params: Params, key: str | None) -> dict[str, Any]:
        order = self._payments.find(request.match_info["id"], "session")
        order.note("rollback", key)
        if serializers.session_status(order) != "open" or not self._payments.expire(order, key, "rollback"):
            raise Refused(400, "invalid_request_error", "Only Checkout Sessions that are open can be expired.")
        return self._payments.session(order)

    def _create(self, _request: web.Request, params: Params, key: str | None) -> dict[str, Any]:
        return serializers.intent(self._payments.create(params, key))

    def _confirm(self, request: web.Request, params: Params, key: str | None) -> dict[str, Any]:
        return serializers.intent(self._payments.confirm(self._found(request), params, key))

    def _capture(self, request: web.Request, params: Params, key: str | None) -> dict[str, Any]:
        version = request.headers.get("Stripe-Version", serializers.VERSION)
        reverses = version < serializers.NO_REVERSALS
        return serializers.intent(self._payments.capture(self._found(request), params, key, reverses=reverses))

    def _cancel(self, request: web.Request, _params: Params, key: str | None) -> dict[str, Any]:
        return serializers.intent(self._payments.cancel(self._found(request), key))

    def _refund(self, _request: web.Request, params: Params, key: str | None) -> dict[str, Any]:
        return serializers.refund(*self._payments.refund(params, key))

    def _session(self, request: web.Request, params: Params) -> dict[str, Any]:
        order = self._payments.find(request.match_info["id"], "session")
        return self._payments.session(order, _expand(params))

    def _intent(self, request: web.Request, params: Params) -> dict[str, Any]:
        return serializers.intent(self._found(request), _expand(params))

    def _read_refund(self, request: web.Request, _params: Params) -> dict[str, Any]:
        id = request.match_info["id"]
        order = self._ledger.find_by_operation(id)
        operation = None if order is None else next((o for o in order.operations if o.id == id), None)
        if order is not None and operation is not None and serializers.is_refund(operation):
            return serializers.refund(order, operation)
        raise Refused(404, "invalid_request_error", "No such refund", "resource_missing", param="id")

    def _sessions(self, request: web.Request, params: Params) -> dict[str, Any]:
        rows = (self._payments.session(order) for order in self._orders(params) if serializers.is_session(order))
        return lists.first_page(_path(request), rows, params)

    def _intents(self, request: web.Request, params: Params) -> dict[str, Any]:
        rows = (serializers.intent(order) for order in self._orders(params) if serializers.has_intent(order))
        return lists.first_page(_path(request), rows, params)

    def _refunds(self, request: web.Request, params: Params) -> dict[str, Any]:
        expanded = "data.balance_transaction" in _expand(params)
        orders: Iterable[Any] = []
        if "payment_intent" in params:
            with suppress(Refused):
                orders = [self._payments.find(params["payment_intent"], "payment_intent")]
        else:
            orders = self._orders({})
        rows = [
            serializers.refund(order, operation, expanded=expanded)
            for order in orders
            for operation in order.operations
            if serializers.is_refund(operation)
        ]
        return lists.page(_path(request), rows, params)

    def _transactions(self, request: web.Request, params: Params) -> dict[str, Any]:
        if "payout" in params:
            found: Iterator[Stated] = (
                Stated(each, each) for each in self._ledger.movements.of_payout(params["payout"])
            )
        else:
            found = self._statements.lines(
                PROVIDER, *lists.stretch(params), is_first_page="starting_after" not in params
            )
        expanded = "data.source" in _expand(params)
        rows = [lists.transaction(self._ledger, stated, expanded=expanded) for stated in found]
        for name in ("type", "source", "currency"):
            if name in params:
                rows = [row for row in rows if row[name] == params[name] or _is_of(row[name], params[name])]
        return lists.page(_path(request), rows, params)

    def _orders(self, params: Params) -> Iterator[Any]:
        """The orders that ``created`` may ask for, the newest first, behind ``starting_after``."""
        since, _ = lists.stretch(params)
        before = (math.inf, LAST)
        if "starting_after" in params:
            order = self._payments.find(params["starting_after"], "starting_after")
            before = (order.created, order.order_id)
        return self._ledger.newest(PROVIDER, before, since)

    def _found(self, request: web.Request) -> Any:
        return self._payments.find(request.match_info["id"], "intent")


def error(status: int, fields: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> web.Response:
    """The envelope of an error."""
    shown = {name: value for name, value in fields.items() if value is not None}
    return json_http.answer({"error": shown}, status, {**_named(), **(headers or {})})


def failure(status: int, reason: str, retry_s: int | None) -> web.Response:
    """A fault in the envelope of an error. Nothing is kept of it."""
    if retry_s is not None:
        fields = _error("invalid_request_error", reason, "rate_limit")
        return error(status, fields, {"Retry-After": str(retry_s), SHOULD_RETRY: "true"})
    return _unknown_key() if status == web.HTTPUnauthorized.status_code else error(status, _error("api_error", reason))


def _unknown_key() -> web.Response:
    return error(401, _error("invalid_request_error", "Invalid API Key provided"))


def _error(type: str, message: str, code: str | None = None) -> dict[str, str | None]:
    return {"type": type, "message": message, "code": code}


def _named() -> dict[str, str]:
    return {"Request-Id": f"req_{uuid.uuid4().hex[:14]}"}


def _expand(params: Params) -> list[str]:
    return list(parameters.nested(params, "expand").values())


def _is_of(shown: Any, id: str) -> bool:
    return isinstance(shown, dict) and shown["id"] == id


def _path(request: web.Request) -> str:
    return request.path.removeprefix(PREFIX)
