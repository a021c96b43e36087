"""Stripe's API over HTTP: calls, idempotency keys, lists."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from providers.base import CallResult
from providers.http import ApiClient, CallLimits
from providers.stripe import responses
from providers.stripe.objects import Page, PaymentIntent, Refund, Session
from providers.stripe.requests import OPERATION, encode
from providers.stripe.statements import BalanceTransaction

#: The version that our structs are written for; without it the account's default answers. Earlier ones make a Refund of
#: what a partial capture releases.
VERSION: Final = "2025-03-31.basil"

T = TypeVar("T")


class Api(ApiClient):
    """One account at Stripe."""

    def __init__(self, url: str, secret_key: str, limits: CallLimits) -> None:
        super().__init__(url, limits, {"Authorization": f"Bearer {secret_key}", "Stripe-Version": VERSION})

    def _refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> CallResult | None:
        return responses.refused(status, headers, body)

    async def post(self, path: str, key: str, body: Mapping[str, Any], type: type[T]) -> T:
        """A write, done once however often it is repeated with this key."""
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Idempotency-Key": key}
        return await self._call("POST", path, type, data=encode(body).encode(), headers=headers)

    async def checkout_session(self, id: str) -> Session:
        """A Checkout Session with its PaymentIntent and that one's charge."""
        query = {"expand[]": "payment_intent.latest_charge"}
        return await self._call("GET", f"/v1/checkout/sessions/{id}", Session, query=query)

    async def intent(self, id: str) -> PaymentIntent:
        """A PaymentIntent with its charge."""
        query = {"expand[]": "latest_charge"}
        return await self._call("GET", f"/v1/payment_intents/{id}", PaymentIntent, query=query)

    async def refunds(self, payment_intent: str) -> list[Refund]:
        """Every refund of a payment; not what a partial capture released."""
        query = {"payment_intent": payment_intent, "expand[]": "data.balance_transaction"}
        listed = self._list("/v1/refunds", query, Page, Refund)
        return [refund async for refund in listed if not refund.is_reversal]

    async def find_session(self, operation_id: str, since: int) -> Session | None:
        """The session that our operation opened at ``since`` (Unix seconds) or later."""
        async for session in self._list("/v1/checkout/sessions", {"created[gte]": str(since)}, Page, Session):
            if session.client_reference_id == operation_id:
                return session
        return None

    async def find_intent(self, operation_id: str, since: int) -> PaymentIntent | None:
        """The PaymentIntent that our operation made at ``since`` (Unix seconds) or later."""
        async for intent in self._list("/v1/payment_intents", {"created[gte]": str(since)}, Page, PaymentIntent):
            if intent.named(OPERATION) == operation_id:
                return intent
        return None

    async def transactions(
        self, filters: Mapping[str, str], after: str | None
    ) -> tuple[list[BalanceTransaction], str | None]:
        """A page of the movements on the balance with their sources, from the cursor ``after`` on, and the cursor of the
        next one."""
        query = {**filters, "expand[]": "data.source"}
        return await self._page("/v1/balance_transactions", query, Page, BalanceTransaction, after)


def mode_of(secret_key: str) -> bool | None:
    """Whether a key (``sk_live_…``, ``rk_test_…``) is of live mode; ``None`` for one that does not show it."""
    mode = secret_key.partition("_")[2].partition("_")[0]
    return mode == "live" if mode in ("live", "test") else None
