"""The Stripe adapter: Checkout Sessions, PaymentIntents, refunds and webhook events."""

from collections.abc import AsyncIterator, Sequence
from datetime import date, timedelta
from functools import partial
from typing import ClassVar, Final

from billing.clearing.stuck import UNPAID
from billing.messages import Observation, ProviderRequest
from billing.reasons import Reason
from billing.vocabulary import Action, Outcome
from providers.base import CallResult, Capabilities, ParsedCallback
from providers.http import CLOCKS_DIFFER, CallEnded, CallLimits, HttpProvider
from providers.settlement import Settlement
from providers.statement_calls import StatementCalls
from providers.statements import Part, StatementPage, windows
from providers.stripe import requests, responses, statements
from providers.stripe.api import Api, mode_of
from providers.stripe.objects import PaymentIntent, Refund, Session
from providers.stripe.settings import StripeSettings
from providers.stripe.webhook import parse

SESSION: Final = "cs_"
INTENT: Final = "pi_"
TRANSACTIONS: Final = "balance_transactions"
PAYOUT: Final = "payout"


class Stripe(HttpProvider):
    """One account at Stripe.

    A PaymentIntent alone has no page: it is paid with Stripe's script on a page of the shop. Only a Checkout Session has a
    ``payment_url`` that any customer can open, so CREATE opens one, and its id (``cs_…``) is the order's id. Checkout
    makes the PaymentIntent (``pi_…``), which is captured, canceled and refunded, when the customer first tries to pay; so
    each later call first reads the session. A charge of a saved method has no page, and its id is that of its
    PaymentIntent.

    ========  ==========================================  =========================================================
    CREATE    POST checkout/sessions                      PENDING with ``payment_url``; a declined card leaves it open
                                                          to another one, until the session expires
    RECUR     POST payment_intents (``off_session``)      SUCCEEDED, PENDING or DECLINED
    CAPTURE   POST payment_intents/{id}/capture           SUCCEEDED, or PENDING while it is processed
    VOID      POST payment_intents/{id}/cancel            SUCCEEDED
    REFUND    POST refunds                                SUCCEEDED by card, PENDING by methods that take time
    ROLLBACK  the session is expired, the hold canceled,  SUCCEEDED, or PENDING where a refund ends it
              or what is left refunded
    INQUIRE   GET the session or PaymentIntent, GET       SUCCEEDED with the observation; without one, and with reason
              refunds                                     ``order_not_found``, for what Stripe does not have
    ========  ==========================================  =========================================================

    ``Idempotency-Key`` is our operation's id, the same on every attempt; a rollback, whose call depends on the state of the
    payment, appends the name of the call, since Stripe refuses a key that is repeated for another call. Stripe answers a
    repeat with the first answer, even an error 500: that stays UNKNOWN until an inquiry. Until a session's id has reached
    us it is found in the list of sessions by our operation's id, not by the search call, which lags behind. A saved
    method is ``customer/payment_method``: Stripe charges one only with the other.
    """

    name: ClassVar[str] = "stripe"
    capabilities = Capabilities(
        currencies=None,
        settlement=Settlement(
            zone="Etc/UTC",
            source="api",
            ready_after=timedelta(hours=3),
            absent_after=timedelta(hours=24),
            reread=3,
            late=1,
            late_refunds=5,
            # Half of the 25 calls a second that it allows to one list.
            calls_per_s=12.0,
        ),
        step=requests.STEP,
        # Its page may stay open longer than our payment.
        stuck_after={UNPAID.name: timedelta(minutes=70)},
        declines_are_final=False,
    )

    def __init__(self, settings: StripeSettings, limits: CallLimits) -> None:
        self.capabilities = settings.narrow(type(self).capabilities)
        self._statements = StatementCalls(self.capabilities.settlement.calls_per_s)
        self._api = Api(settings.url, settings.secret_key.get_secret_value(), limits)
        self._live = mode_of(settings.secret_key.get_secret_value())
        super().__init__(self._api, limits)

    def parse_callback(self, body: bytes) -> ParsedCallback:
        return parse(body, live=self._live)

    def parts(self, day: date) -> Sequence[Part]:
        return [
            Part(
                day,
                TRANSACTIONS,
                {"created[gte]": str(int(start.timestamp())), "created[lt]": str(int(end.timestamp()))},
            )
            for start, end in windows(*self.capabilities.settlement.business_day(day))
        ]

    def payout(self, payout_ref: str, day: date) -> Part | None:
        """Only what an automatic payout consists of is listed."""
        return Part(day, TRANSACTIONS, {PAYOUT: payout_ref})

    def pages(self, part: Part, after: str | None = None) -> AsyncIterator[StatementPage]:
        return self._statements.pages(partial(self._page, part), after)

    async def _page(self, part: Part, after: str | None) -> StatementPage:
        transactions, following = await self._api.transactions(part.filters, after)
        payout_ref = part.filters.get(PAYOUT)
        lines = (statements.line(transaction, payout_ref, live=self._live) for transaction in transactions)
        return StatementPage(tuple(lines), following)

    async def _perform(self, request: ProviderRequest) -> CallResult:
        key = str(request.operation_id)
        match request.action:
            case Action.CREATE:
                body = requests.checkout(request)
                return responses.opened(await self._api.post("/v1/checkout/sessions", key, body, Session))
            case Action.RECUR:
                body = requests.charge(request)
                return responses.charged(await self._api.post("/v1/payment_intents", key, body, PaymentIntent))
            case Action.CAPTURE:
                body = requests.capture(request)
                path = f"/v1/payment_intents/{(await self._paid(request)).id}/capture"
                return responses.captured(await self._api.post(path, key, body, PaymentIntent))
            case Action.VOID:
                path = f"/v1/payment_intents/{(await self._paid(request)).id}/cancel"
                return responses.canceled(await self._api.post(path, key, {}, PaymentIntent))
            case Action.REFUND:
                body = requests.refund(request, (await self._paid(request)).id)
                return responses.refunded(await self._api.post("/v1/refunds", key, body, Refund))
            case Action.ROLLBACK:
                return await self._roll_back(request)
            case Action.INQUIRE:
                return await self._inquire(request)

    async def _inquire(self, request: ProviderRequest) -> CallResult:
        session, intent = await self._find(request)
        if session is None and intent is None:
            return CallResult(Outcome.SUCCEEDED, reason=Reason.ORDER_NOT_FOUND, observed=Observation())
        refunds = [] if intent is None or not intent.amount_received else await self._api.refunds(intent.id)
        return CallResult(
            Outcome.SUCCEEDED,
            payment_url=None if session is None else session.url,
            observed=responses.observation(session, intent, refunds),
        )

    async def _roll_back(self, request: ProviderRequest) -> CallResult:
        session, intent = await self._find(request)
        key = str(request.operation_id)
        if session is not None and session.status == "open":
            await self._api.post(f"/v1/checkout/sessions/{session.id}/expire", f"{key}/expire", {}, Session)
            return CallResult(Outcome.SUCCEEDED)
        if intent is not None and intent.amount_received:
            body = requests.refund_rest(request, intent.id)
            result = responses.refunded(await self._api.post("/v1/refunds", f"{key}/refund", body, Refund))
            # Other refunds may be open: the list of refunds shows when everything is refunded.
            return CallResult(Outcome.PENDING, result.provider_ref) if result.outcome is Outcome.SUCCEEDED else result
        if intent is not None and intent.status != "canceled" and (session is None or session.status == "complete"):
            path = f"/v1/payment_intents/{intent.id}/cancel"
            return responses.canceled(await self._api.post(path, f"{key}/cancel", {}, PaymentIntent))
        if session is None and intent is None:
            raise CallEnded(CallResult(Outcome.DECLINED, reason=Reason.ORDER_NOT_FOUND))
        return CallResult(Outcome.SUCCEEDED)

    async def _paid(self, request: ProviderRequest) -> PaymentIntent:
        """The PaymentIntent to act on."""
        session, intent = await self._find(request)
        if intent is None:
            reason = Reason.ORDER_NOT_FOUND if session is None else Reason.INVALID_STATE
            raise CallEnded(CallResult(Outcome.DECLINED, reason=reason))
        return intent

    async def _find(self, request: ProviderRequest) -> tuple[Session | None, PaymentIntent | None]:
        """The payment by its id or, until we know that, by the operation that opened it."""
        name = request.order_ref
        try:
            if name.startswith(INTENT):
                return None, await self._api.intent(name)
            if not name.startswith(SESSION):
                return await self._search(request)
            session = await self._api.checkout_session(name)
        except CallEnded as ended:
            if ended.result.reason != Reason.ORDER_NOT_FOUND:
                raise
            return None, None
        return session, session.intent

    async def _search(self, request: ProviderRequest) -> tuple[Session | None, PaymentIntent | None]:
        if request.opened_at is None:
            return None, None
        since = int((request.opened_at - CLOCKS_DIFFER).timestamp())
        found = await self._api.find_session(request.order_ref, since)
        if found is None:
            return None, await self._api.find_intent(request.order_ref, since)
        session = await self._api.checkout_session(found.id)
        return session, session.intent
