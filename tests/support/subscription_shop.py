"""A shop that sells subscriptions through the ingest API of a test."""

import hashlib
from typing import Any

import msgspec

from billing.messages import CreatePayment, Message, PaymentOutcome
from billing.messages.subscription_commands import Wake
from billing.subscriptions import simulation
from billing.subscriptions.agenda import next_action
from billing.subscriptions.decide import decide
from billing.subscriptions.decision import Decision
from billing.subscriptions.model import Subscription
from billing.subscriptions.prices import subscription_id
from storage.access.api_keys import StoredKey
from storage.subscriptions.plans import Plan
from tests.support.ingest_fakes import NOW
from tests.support.ingest_server import Answer, World
from tests.support.subscriptions import price

ID = subscription_id("site", "cinema", "c-1842")
PATH = f"/v1/subscriptions/{ID}"


def subscribe_body(**changes: Any) -> dict[str, Any]:
    """A valid request to subscribe."""
    body = {
        "customer_id": "c-1842",
        "plan": "cinema",
        "currency": "RUB",
        "provider": "yandex-pay",
        "consent": {"terms_sha256": "ab" * 32, "shown": {"price": "399 a month"}},
        "return_urls": {"success": "https://cinema.example/ok", "failure": "https://cinema.example/no"},
        "contact": {"email": "viewer@example.com"},
        "metadata": {"campaign": "spring"},
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


def with_page(payment: CreatePayment) -> PaymentOutcome:
    """The provider gives the payment its page."""
    url = f"https://pay.example/{payment.payment_id}"
    return msgspec.structs.replace(simulation.open_still(payment, NOW), payment_url=url)


class Shop:
    """A plan is for sale; commands to subscriptions are decided and answered; every payment gets a page."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._keys = 0
        world.plans.kept["cinema"] = Plan(
            id="cinema",
            group="cinema",
            title="Cinema",
            created_at=NOW,
            created_by="client:site",
            archived_at=None,
            prices=(price(),),
        )
        world.deciding_subscriptions(with_page)

    @property
    def subscription(self) -> Subscription:
        """As it is committed."""
        return self.world.subscriptions.kept[ID]

    def keep(self, subscription: Subscription) -> None:
        """Commit it."""
        self.world.subscriptions.kept[subscription.id] = subscription

    async def subscribe(self, **changes: Any) -> Answer:
        """Subscribe under a new key, and wait."""
        return await self.post("/v1/subscriptions", subscribe_body(**changes))

    async def act(self, name: str, body: Any = None, **headers: str | None) -> Answer:
        """A command under a new key, waited for."""
        return await self.post(f"{PATH}/{name}", {} if body is None else body, **headers)

    async def post(self, path: str, body: Any, **headers: str | None) -> Answer:
        """A command under a new key, waited for."""
        self._keys += 1
        given = {"Idempotency_Key": f"key-{self._keys}", "Prefer": "wait=5"}
        return await self.world.command("POST", path, body, **(given | headers))

    async def get(self, path: str = PATH, **headers: str) -> Answer:
        """A read."""
        return await self.world.get(path, Authorization="Bearer site-key-1", **headers)

    async def key_with(self, key: str, *scopes: str, return_hosts: list[str] | None = None) -> None:
        """A key of the client ``site`` with these scopes only."""
        stored = StoredKey(
            id=key,
            client="site",
            hash=hashlib.sha256(key.encode()).digest(),
            scopes=list(scopes),
            rate_per_s=1_000_000,
            created_at=NOW,
            revoked_at=None,
            last_used_at=None,
            return_hosts=return_hosts,
        )
        self.world.book.keys.append(stored)
        await self.world.dependencies.admission.keys.refresh()

    async def active(self) -> None:
        """The customer has subscribed and paid."""
        await self.subscribe()
        self._decide(simulation.paid_charge(self.subscription, NOW))

    async def overdue(self, reason: str = "card_expired") -> None:
        """A renewal is declined: now, though the wall clock says that it is not due."""
        await self.active()
        payment = self._to_the_charge()
        self._decide(simulation.failed(payment, self.subscription.updated_at, reason))

    async def charged(self) -> None:
        """A renewal is declined, and a retry of it is under way."""
        await self.overdue("insufficient_funds")
        self._to_the_charge()

    def _to_the_charge(self) -> CreatePayment:
        while True:
            appointment = next_action(self.subscription)
            assert appointment is not None
            decision = self._decide(Wake(ID, at=max(appointment.at, self.subscription.updated_at)))
            for payment in decision.payments:
                if isinstance(payment, CreatePayment):
                    return payment

    def _decide(self, message: Message) -> Decision:
        decision = decide(self.subscription, message, NOW)
        assert decision.subscription is not None
        self.keep(decision.subscription)
        if decision.event is not None:
            self.world.subscriptions.journal.append(decision.event)
        return decision
