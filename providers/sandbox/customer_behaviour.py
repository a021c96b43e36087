"""Customers on a payment page, over HTTP, or inside the sandbox for benchmarks."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Literal

import aiohttp
import msgspec

CustomerAction = Literal["pay", "decline", "walk_away"]


async def visit(session: aiohttp.ClientSession, payment_url: str, action: str, reason: str | None = None) -> str:
    """Open the payment page and do ``action`` there; returns the order's status at the provider.

    Raises :class:`aiohttp.ClientError` when the page cannot be reached. A repeat changes nothing.
    """
    async with session.get(payment_url) as page:
        page.raise_for_status()
        await page.read()
    body = {"outcome": action} | ({"reason": reason} if reason else {})
    headers = {"Accept": "application/json"}
    async with session.post(payment_url, json=body, headers=headers, allow_redirects=False) as answer:
        answer.raise_for_status()
        return str((await answer.json())["status"])


class CustomerBehaviour(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the sandbox' own customers behave: in ``auto`` mode every new order gets one, after ``delay_ms``. The action
    is drawn by weight: ``pay``, ``decline``, ``walk_away``."""

    mode: Literal["manual", "auto"] = "manual"
    pay: float = 1.0
    decline: float = 0.0
    walk_away: float = 0.0
    delay_ms: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        weights = (self.pay, self.decline, self.walk_away)
        if min(weights) < 0 or sum(weights) <= 0 or self.delay_ms < 0:
            raise ValueError("weights and delay_ms must not be negative, and one weight must be positive")


class AutomaticCustomers:
    """Sends a customer to every new order. ``act(order_id, action)`` performs the action."""

    def __init__(self, behaviour: CustomerBehaviour, act: Callable[[str, CustomerAction], None]) -> None:
        self._act = act
        self.behave(behaviour)

    def behave(self, behaviour: CustomerBehaviour) -> None:
        """Change the behaviour."""
        self.behaviour = behaviour
        self._chance = Random(behaviour.seed)  # noqa: S311

    def on_opened(self, order_id: str) -> None:
        """Called when an order can be paid."""
        behaviour = self.behaviour
        if behaviour.mode == "manual":
            return
        action: CustomerAction = self._chance.choices(
            ("pay", "decline", "walk_away"), (behaviour.pay, behaviour.decline, behaviour.walk_away)
        )[0]
        asyncio.get_running_loop().call_later(behaviour.delay_ms / 1000, self._act, order_id, action)
