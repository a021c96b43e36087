"""One payment at one provider: the domain, the adapter and the sandbox together, with what the agents carry between
them carried by hand."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from billing.ledger.accounts import AccountKind
from billing.messages import FollowUpOperation, Message, ProviderCallback, ProviderResult
from billing.payments.decide import decide
from billing.payments.follow_ups import REPEAT_AT_LAST
from billing.payments.model import Payment
from tests.support.sandbox import PATIENCE_S, ProviderWorld


class Life:
    """``lose_answers``: so many of the next answers never reach the payment. ``outcomes``: how every call ended."""

    def __init__(self, world: ProviderWorld) -> None:
        self.world = world
        self.payment: Payment | None = None
        self.lose_answers = 0
        #: A question without an answer is not repeated before this has passed for each.
        self._lost = timedelta()
        self.outcomes: list[tuple[str, str]] = []
        #: What the ledger says that providers hold for us, minor units.
        self.clearing = 0

    async def tell(self, message: Message) -> Payment:
        """Apply a message, and carry out what it asks of the provider."""
        decision = decide(self.payment, message, datetime.now(UTC) + self._lost)
        self.payment = decision.payment
        entries = [entry for posting in decision.postings for entry in posting.entries]
        self.clearing += sum(entry.amount for entry in entries if entry.account.kind is AccountKind.CLEARING)
        for request in decision.requests:
            result = await self.world.adapter.perform(request)
            self.outcomes.append((request.action, result.outcome))
            if self.lose_answers:
                self.lose_answers -= 1
                self._lost += REPEAT_AT_LAST
                continue
            values = {name: getattr(result, name) for name in result.__struct_fields__}
            names = ("payment_id", "operation_id", "provider", "action", "books")
            about = {name: getattr(request, name) for name in names}
            await self.tell(ProviderResult(**about, **values))
        assert self.payment is not None
        return self.payment

    async def called_back(self) -> Payment:
        """Wait for a callback, and pass it on."""
        await self.world.until(lambda: bool(self._mine()))
        return await self.hear()

    async def hear(self) -> Payment:
        """Pass on the callbacks that have come."""
        assert self.payment is not None
        for said in self._mine():
            self.world.callbacks.remove(said)
            observed = ProviderCallback(
                self.payment.id, self.world.adapter.name, said.dedupe, said.observed, ask=said.ask, claimed=said.claimed
            )
            await self.tell(observed)
        return self.payment

    async def settled(self) -> Payment:
        """Listen, and ask about what is open as if its time had come, until nothing is."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                payment = await self.hear()
                for operation in payment.operations:
                    waits = operation.is_open and payment.payment_url is None
                    if waits or (operation.is_open and payment.authorized):
                        payment = await self.tell(FollowUpOperation(payment.id, operation.id, operation.follow_ups))
                if not any(o.is_open for o in payment.operations if payment.authorized or payment.payment_url is None):
                    return payment
                await asyncio.sleep(0.05)

    async def pays(self, outcome: str = "pay", reason: str | None = None) -> None:
        """The customer opens the payment's page; the newest there is, where its address was lost. ``reason``: the
        bank's, in the provider's words."""
        assert self.payment is not None
        if self.payment.payment_url is not None:
            path = self.payment.payment_url.removeprefix(self.world.url)
        else:
            path = f"/pay/{(await self.world.ask('GET', '/_sandbox/book'))['orders'][0]['order_id']}"
        headers = {"Accept": "application/json"}
        await self.world.ask(
            "POST", path, json={"outcome": outcome} | ({"reason": reason} if reason else {}), headers=headers
        )

    async def book(self) -> dict[str, Any]:
        """The provider's own record of the order."""
        assert self.payment is not None
        return await self.world.book(self.payment.order_ref)

    def _mine(self) -> list[Any]:
        payment = self.payment
        assert payment is not None
        names = {payment.order_ref, *(str(o.id) for o in payment.operations)}
        names |= {o.provider_ref for o in payment.operations if o.provider_ref is not None}
        return [said for said in self.world.callbacks if names & set(said.references)]


def items_of(payment: Payment, count: int) -> Any:
    """The first items of the payment's cart."""
    return msgspec.structs.replace(payment.order.cart, items=payment.order.cart.items[:count])
