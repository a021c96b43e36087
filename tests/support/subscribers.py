"""Customers of a cinema on the running stack who live by a test clock: what they do over REST, and what their cards do."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from billing.subscriptions.vocabulary import Status
from providers.sandbox.cards import CARDS
from tests.e2e.test_bad_input import BODY
from tests.support.cinema import LOOK_S, PATIENCE_S, Cinema

PROVIDERS = ("yandex-pay", "yookassa", "stripe", "tbank")
AT_ONCE = 16


class Offer(NamedTuple):
    """What a plan costs: minor units every ``count`` of ``interval``. No sum is a multiple of twelve."""

    interval: str
    count: int
    amount: int


OFFERS = (
    Offer("MONTH", 1, 39_901),
    Offer("MONTH", 3, 99_901),
    Offer("MONTH", 6, 189_901),
    Offer("YEAR", 1, 349_901),
    Offer("MONTH", 3, 109_903),
)
#: How a card begins to fail: the sandbox' card, and how often; ``None``: it is revoked.
DECLINES = (
    ("4000 0000 0000 9995", 1),  # not enough money
    ("4000 0000 0000 9995", 3),
    ("4000 0000 0000 0119", 2),  # the bank does not answer
    ("4000 0000 0000 0002", 1),  # no reason
    ("4000 0000 0000 0002", 3),
    ("4000 0000 0000 0069", 1),  # expired
    (None, 1),
)


class Standing(NamedTuple):
    """A subscription as Postgres has it."""

    id: UUID
    number: int
    status: str
    cancelled: bool
    provider: str
    method: str | None


#: What a customer does about a subscription.
Act = Callable[[Standing], Awaitable[None]]


class Subscribers:
    """``count`` customers, by number. ``random`` decides what they do, by what Postgres has of them."""

    def __init__(self, cinema: Cinema, count: int, random: Random) -> None:
        self.cinema, self.count, self.random = cinema, count, random

    async def open(self) -> None:
        """Offer the plans."""
        for number, offer in enumerate(OFFERS):
            plan = self._plan(number)
            await self.cinema.post("/plans", {"id": plan, "title": f"Cinema {number}"}, 201)
            body = {
                "currency": "RUB",
                "amount": offer.amount,
                "interval": offer.interval,
                "interval_count": offer.count,
                "products": ["cinema"],
            }
            await self.cinema.post(f"/plans/{plan}/prices", body, 201)

    def customer(self, number: int) -> str:
        """The customer's id at the cinema."""
        return f"two-years-{self.cinema.run}-{number}"

    async def standing(self) -> dict[int, Standing]:
        """All that have subscribed."""
        rows = await self.cinema.books.fetch(
            """SELECT id, customer_id, status, coalesce(state->'cancel', 'null') <> 'null' AS cancelled, provider,
                      state->'method'->>'ref' AS method FROM subscriptions WHERE clock_id = $1 ORDER BY customer_id""",
            self.cinema.clock,
        )
        found = {}
        for row in rows:
            number = int(row["customer_id"].rpartition("-")[2])
            found[number] = Standing(row["id"], number, row["status"], row["cancelled"], row["provider"], row["method"])
        return dict(sorted(found.items()))

    async def subscribe(self, numbers: Iterable[int]) -> None:
        """These subscribe, for the first time or anew, and pay the page."""

        async def one(number: int) -> None:
            opened = await self.cinema.post("/subscriptions", self._order(number), 201)
            await self._visit(opened["latest_payment"]["payment_url"])

        await _side_by_side(one, numbers)

    async def spoil(self) -> None:
        """Some cards begin to fail at their next charge."""
        for one in (await self.standing()).values():
            if one.status != Status.ACTIVE or one.method is None or self.random.random() > 0.15:
                continue
            card, count = self.random.choice(DECLINES)
            name = "method_revoked"
            if card is not None:
                (codes,) = (known.codes for known in CARDS if known.number == card)
                name = f"decline:{codes[one.provider]}"
            fault = {
                "fault": name,
                "provider": one.provider,
                "operation": "recur",
                "method": one.method,
                "count": count,
            }
            await self.fault(fault)

    async def fault(self, fault: dict[str, Any]) -> None:
        """Add a fault to the sandbox."""
        async with self.cinema.http.post(f"{self.cinema.urls['sandbox']}/_sandbox/faults", json=fault) as answer:
            assert answer.status == 200, await answer.text()

    async def act(self) -> None:
        """Some pay what was declined, on a page or with a new method; some cancel, keep, or remove their method."""
        chosen = [(self._choose(one), one) for one in (await self.standing()).values()]

        async def act(choice: tuple[Act, Standing]) -> None:
            await choice[0](choice[1])

        await _side_by_side(act, [(doing, one) for doing, one in chosen if doing is not None])

    def _choose(self, one: Standing) -> Act | None:
        """What the customer does now; ``None``: nothing."""
        chance = self.random.random()
        for share, act in self._choices(one):
            if chance < share:
                return act
            chance -= share
        return None

    def _choices(self, one: Standing) -> Sequence[tuple[float, Act]]:
        """Each with its probability."""
        if one.status in (Status.PAST_DUE, Status.ON_HOLD):
            return (0.3, self._pay), (0.15, self._change_method), (0.05, self._cancel)
        if one.status != Status.ACTIVE or one.method is None:
            return ()
        if one.cancelled:
            return ((0.4, self._keep),)
        return (0.03, self._cancel), (0.01, self._cancel_now), (0.015, self._remove_method), (0.01, self._change_method)

    async def _pay(self, one: Standing) -> None:
        opened = await self.cinema.post(f"/subscriptions/{one.id}/pay", {}, 200)
        await self._visit(opened["latest_payment"]["payment_url"])

    async def _cancel(self, one: Standing) -> None:
        await self.cinema.post(f"/subscriptions/{one.id}/cancel", {"when": "AT_END"}, 200)

    async def _cancel_now(self, one: Standing) -> None:
        await self.cinema.post(f"/subscriptions/{one.id}/cancel", {"when": "NOW"}, 200)

    async def _keep(self, one: Standing) -> None:
        await self.cinema.post(f"/subscriptions/{one.id}/keep", {}, 200)

    async def _remove_method(self, one: Standing) -> None:
        for method in await self._methods(one):
            path = f"/payment-methods/{method['id']}"
            await self.cinema.send("DELETE", path, None, 204)

    async def _change_method(self, one: Standing) -> None:
        """The customer buys a film with another card, which is saved, and names it."""
        known = {method["id"] for method in await self._methods(one)}
        body = {**BODY, "customer_id": self.customer(one.number), "provider": "yookassa", "save_method": True}
        bought = await self.cinema.post("/payments", body, 201)
        await self._visit(bought["payment_url"])
        async with asyncio.timeout(PATIENCE_S):
            while not (fresh := [m["id"] for m in await self._methods(one) if m["id"] not in known]):
                await asyncio.sleep(LOOK_S)
        await self.cinema.send("PUT", f"/subscriptions/{one.id}/method", {"payment_method_id": fresh[0]}, 200)

    async def _methods(self, one: Standing) -> list[dict[str, Any]]:
        found = await self.cinema.get(f"/customers/{self.customer(one.number)}/payment-methods")
        return list(found["data"])

    async def _visit(self, url: str) -> None:
        async with self.cinema.http.post(url, data={"outcome": "pay"}, allow_redirects=False) as paid:
            assert paid.status == 303, await paid.text()

    def _plan(self, number: int) -> str:
        return f"cinema-{self.cinema.run}-{number % len(OFFERS)}"

    def _order(self, number: int) -> dict[str, Any]:
        return {
            "customer_id": self.customer(number),
            "plan": self._plan(number),
            "currency": "RUB",
            "provider": PROVIDERS[number // len(OFFERS) % len(PROVIDERS)],
            "consent": {"terms_sha256": "ab" * 32},
            "contact": {"email": "ann@cinema.example"},
            "return_urls": {"success": "https://cinema.example/paid", "failure": "https://cinema.example/unpaid"},
            "test_clock": str(self.cinema.clock),
        }


def months_after(start: datetime, months: int, days: int = 0) -> datetime:
    """So much after ``start``, which is the first of a month."""
    years, index = divmod(start.month - 1 + months, 12)
    return start.replace(year=start.year + years, month=index + 1, day=1 + days)


async def _side_by_side(work: Callable[[Any], Awaitable[None]], items: Iterable[Any]) -> None:
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(item: Any) -> None:
        async with slots:
            await work(item)

    async with asyncio.TaskGroup() as group:
        for item in items:
            group.create_task(one(item))
