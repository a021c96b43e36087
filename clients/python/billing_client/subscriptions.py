"""Subscriptions: commands on them, reads, and their changes as they happen."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from billing_client.changes import follow
from billing_client.models import Entries, Event, ReturnUrls
from billing_client.subscription_models import (
    Attempt,
    Cancellation,
    ForecastEntry,
    NewSubscription,
    Period,
    Subscribed,
    Subscription,
)
from billing_client.transport import Answer, Transport

_ACCEPTED: Final = 202


class Subscriptions:
    """Subscriptions. Commands take ``idempotency_key`` (random if left out) and ``wait_s``, as those on payments do. A
    command whose outcome is not known in time returns ``None``: read the subscription."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(
        self, new: NewSubscription, *, idempotency_key: str | None = None, wait_s: float = 10.0
    ) -> Subscribed:
        """Subscribe a customer: send them to ``latest_payment.payment_url`` of the subscription. A repeat with the same key
        and body returns the same subscription. Raises :class:`~billing_client.errors.Refused` for a customer who is
        subscribed already."""
        answer = await self._transport.command("POST", "/v1/subscriptions", new, idempotency_key, wait_s)
        return Subscribed(id=answer.read(_Accepted).id, subscription=_known(answer))

    async def read(self, id: UUID) -> Subscription:
        """A subscription as committed."""
        return (await self._transport.send("GET", f"/v1/subscriptions/{id}")).read(Subscription)

    async def list(self, **filters: str) -> AsyncIterator[Subscription]:
        """All subscriptions that match, newest first, page by page. ``filters``: ``customer_id``, ``status``, ``plan``,
        ``test_clock``."""
        params = dict(filters)
        while True:
            page = (await self._transport.send("GET", "/v1/subscriptions", params=params)).read(_Page)
            for subscription in page.data:
                yield subscription
            if page.next_cursor is None:
                return
            params["cursor"] = page.next_cursor

    async def periods(self, id: UUID) -> tuple[Period, ...]:
        """The periods of a subscription, oldest first."""
        return (await self._transport.send("GET", f"/v1/subscriptions/{id}/periods")).read(Entries[Period]).data

    async def attempts(self, id: UUID) -> tuple[Attempt, ...]:
        """The attempts of a subscription, by period."""
        return (await self._transport.send("GET", f"/v1/subscriptions/{id}/attempts")).read(Entries[Attempt]).data

    async def forecast(self, id: UUID, *, periods: int = 12) -> tuple[ForecastEntry, ...]:
        """What is charged and told when, if every charge is paid."""
        path, params = f"/v1/subscriptions/{id}/forecast", {"periods": str(periods)}
        return (await self._transport.send("GET", path, params=params)).read(Entries[ForecastEntry]).data

    async def timeline(self, id: UUID) -> tuple[Event, ...]:
        """Everything that happened to a subscription, in order."""
        return (await self._transport.send("GET", f"/v1/subscriptions/{id}/timeline")).read(Entries[Event]).data

    async def changes(self, id: UUID, *, after: int | None = None) -> AsyncIterator[Subscription]:
        """The current subscription, then the subscription after each change, without end; as
        :meth:`~billing_client.client.BillingClient.changes` does for payments."""
        async for change in follow(self._transport, f"/v1/subscriptions/{id}/events", Subscription, after):
            yield change

    async def cancel(
        self,
        id: UUID,
        *,
        when: Literal["AT_END", "NOW"] = "AT_END",
        refund: Literal["NONE", "PRORATED", "FULL"] | None = None,
        comment: str | None = None,
        idempotency_key: str | None = None,
        wait_s: float = 10.0,
    ) -> Cancellation | None:
        """End a subscription: at the end of its paid period, or now with a refund."""
        body = {"when": when, "refund": refund, "comment": comment}
        answer = await self._act("POST", id, "cancel", body, idempotency_key, wait_s)
        return None if answer.status == _ACCEPTED else answer.read(Cancellation)

    async def preview_cancel(
        self,
        id: UUID,
        *,
        when: Literal["AT_END", "NOW"] = "AT_END",
        refund: Literal["NONE", "PRORATED", "FULL"] | None = None,
    ) -> Cancellation:
        """What :meth:`cancel` would do now. Changes nothing."""
        body = {"when": when, **({} if refund is None else {"refund": refund})}
        answer = await self._transport.send(
            "POST",
            f"/v1/subscriptions/{id}/cancel/preview",
            body=msgspec.json.encode(body),
            headers={"Content-Type": "application/json"},
        )
        return answer.read(Cancellation)

    async def keep(self, id: UUID, *, idempotency_key: str | None = None, wait_s: float = 10.0) -> Subscription | None:
        """Take a cancellation back."""
        return _known(await self._act("POST", id, "keep", {}, idempotency_key, wait_s))

    async def pay(
        self,
        id: UUID,
        *,
        provider: str | None = None,
        return_urls: ReturnUrls | None = None,
        idempotency_key: str | None = None,
        wait_s: float = 10.0,
    ) -> Subscription | None:
        """Open a page for a declined renewal: send the customer to ``latest_payment.payment_url``."""
        body = {"provider": provider, "return_urls": return_urls}
        return _known(await self._act("POST", id, "pay", body, idempotency_key, wait_s))

    async def change_method(
        self, id: UUID, payment_method_id: UUID, *, idempotency_key: str | None = None, wait_s: float = 10.0
    ) -> Subscription | None:
        """Charge another saved method from now on; a declined renewal at once."""
        body = {"payment_method_id": payment_method_id}
        return _known(await self._act("PUT", id, "method", body, idempotency_key, wait_s))

    async def extend(
        self, id: UUID, until: datetime, reason: str, *, idempotency_key: str | None = None, wait_s: float = 10.0
    ) -> Subscription | None:
        """Give time: move the end of the paid period to ``until``, with an offset. Needs a key with the scope ``admin``."""
        body = {"until": until, "reason": reason}
        return _known(await self._act("POST", id, "extend", body, idempotency_key, wait_s))

    async def _act(
        self, method: str, id: UUID, name: str, body: dict[str, Any], key: str | None, wait_s: float
    ) -> Answer:
        given = {field: value for field, value in body.items() if value is not None}
        return await self._transport.command(method, f"/v1/subscriptions/{id}/{name}", given, key, wait_s)


class _Accepted(msgspec.Struct, frozen=True):
    """The members of every response to a command; ``version`` only if the subscription is known."""

    id: UUID
    version: int | None = None


class _Page(msgspec.Struct, frozen=True):
    """A page of a client's subscriptions. ``next_cursor`` is ``None`` on the last page."""

    data: tuple[Subscription, ...]
    next_cursor: str | None


def _known(answer: Answer) -> Subscription | None:
    """The subscription after a command; ``None`` while it is not known."""
    return None if answer.read(_Accepted).version is None else answer.read(Subscription)
