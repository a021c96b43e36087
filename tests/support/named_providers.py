"""Worlds of the providers that name the payment themselves and sign their callbacks: Stripe and T-Bank."""

import json
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec
from pydantic import SecretStr

from billing.messages import ProviderRequest
from billing.orders import Cart, Order
from billing.vocabulary import Action, CaptureMode
from providers.base import CallResult
from providers.plugin import SandboxAddress
from providers.settings import ProviderSettings
from tests.support.factories import an_order
from tests.support.sandbox import API_KEY, ProviderWorld, a_request


class ProviderNamedWorld(ProviderWorld):
    """A merchant whose provider names the payment."""

    async def open(self, *prices: int, **fields: Any) -> ProviderRequest:
        return await super().open(*prices, **{"opened_at": datetime.now(UTC), **fields})

    async def settled(self, *prices: int, **fields: Any) -> ProviderRequest:
        """A payment that its customer paid, and we were told."""
        request = await self.open(*prices, **fields)
        await self.customer(request, "pay")
        await self.until(lambda: bool(self.statuses(request)))
        return request

    async def hold(self, *prices: int, **fields: Any) -> ProviderRequest:
        """A payment that is held, and we were told."""
        return await self.settled(*prices, capture_mode=CaptureMode.TWO_STAGE, **fields)

    async def ask_for(
        self, created: ProviderRequest, action: Action, amount: int | None = None, **fields: Any
    ) -> CallResult:
        """Ask for something about a payment."""
        return await self.adapter.perform(self.about(created, action, amount, **fields))

    def about(
        self, created: ProviderRequest, action: Action, amount: int | None = None, **fields: Any
    ) -> ProviderRequest:
        """A later request about a payment."""
        values: dict[str, Any] = {
            "provider": self.adapter.name,
            "order_ref": created.order_ref,
            "amount": amount or created.amount,
            "currency": created.currency,
            "opened_at": created.opened_at,
            "reason": "asked",
        }
        return a_request(action, **(values | fields))

    def said(self, request: ProviderRequest | None = None) -> list[Any]:
        """The callbacks of one payment, or all, by our operation or the provider's name."""
        names = () if request is None else (request.order_ref, str(request.operation_id))
        return [said for said in self.callbacks if not names or set(names) & set(said.references)]

    async def totals(self) -> dict[str, int]:
        """What really happened at the provider, all payments together."""
        orders = (await self.ask("GET", "/_sandbox/book"))["orders"]
        return {name: sum(order[name] for order in orders) for name in ("authorized", "captured", "refunded")}


class StripeWorld(ProviderNamedWorld):
    """An account at Stripe."""

    provider = "stripe"

    def settings_of_providers(self, address: SandboxAddress) -> dict[str, ProviderSettings]:
        """Its webhook secret is being replaced: events carry two signatures."""
        found = super().settings_of_providers(address)
        secrets = [SecretStr("whsec_old"), SecretStr("whsec_new")]
        return found | {self.provider: found[self.provider].model_copy(update={"webhook_secrets": secrets})}

    async def api(
        self, method: str, path: str, key: str | None = None, **params: Any
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Status, body and headers of an answer, past the adapter."""
        headers = {"Authorization": f"Bearer {API_KEY}"} | ({} if key is None else {"Idempotency-Key": key})
        where = "params" if method == "GET" else "data"
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.request(method, f"{self.url}/stripe/v1{path}", **{where: params}) as answer,
        ):
            return answer.status, await answer.json(), dict(answer.headers)

    def events(self) -> list[str]:
        """The kinds of events that we were told of, in order."""
        return [json.loads(body)["type"] for body in self.tokens]


class TBankWorld(ProviderNamedWorld):
    """A terminal at T-Bank."""

    provider = "tbank"

    def notified(self) -> list[str]:
        """The statuses that we were told of, in order."""
        return [json.loads(body)["Status"] for body in self.tokens]


def a_charge(provider: str, method: str | None, order: Order | None = None) -> ProviderRequest:
    """A charge of a saved method."""
    order = order or an_order(29_900)
    request = a_request(
        Action.RECUR,
        order,
        provider=provider,
        saved_method=method,
        opened_at=datetime.now(UTC),
        currency=order.currency,
    )
    return msgspec.structs.replace(request, order=order)


def items(*prices: int) -> Cart:
    """A cart."""
    return an_order(*prices).cart
