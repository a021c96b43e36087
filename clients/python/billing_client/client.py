"""The client."""

from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Final, Literal, Self
from urllib.parse import quote
from uuid import UUID

import aiohttp
import msgspec

from billing_client.changes import follow
from billing_client.clearing import Clearing
from billing_client.models import (
    Cart,
    Entries,
    Event,
    NewPayment,
    Opened,
    Operation,
    OperationResult,
    Page,
    Payment,
    PaymentMethod,
    RefundLine,
)
from billing_client.plans import Plans
from billing_client.repeats import Repeats
from billing_client.subscriptions import Subscriptions
from billing_client.test_clocks import TestClocks
from billing_client.transport import Transport

Expansion = Literal["order", "cart"]


class BillingClient:
    """Calls the service with one API key. Close it, or use it as a context manager; a ``session`` that you pass stays
    open. ``plans``, ``subscriptions``, ``test_clocks`` are its other calls; ``clearing`` those of the admin
    process, at an address of its own. Every method raises :class:`~billing_client.errors.ProblemError` and
    :class:`~billing_client.errors.NoAnswer`.

    Commands take ``idempotency_key`` (random if left out) and ``wait_s``: how many seconds the service waits for the
    outcome before it answers without it; 0 does not wait.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        repeats: Repeats | None = None,
        session: aiohttp.ClientSession | None = None,
    ) -> None:
        self._own = session is None
        session = session or aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._transport = Transport(url, api_key, repeats or Repeats(), session)
        self.plans: Final = Plans(self._transport)
        self.subscriptions: Final = Subscriptions(self._transport)
        self.test_clocks: Final = TestClocks(self._transport)
        self.clearing: Final = Clearing(self._transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._own:
            await self._transport.session.close()

    async def create_payment(
        self, payment: NewPayment, *, idempotency_key: str | None = None, wait_s: float = 10.0
    ) -> Opened:
        """Open a payment. A repeat with the same key and body returns the same payment."""
        answer = await self._transport.command("POST", "/v1/payments", payment, idempotency_key, wait_s)
        accepted = answer.read(_Accepted)
        known = accepted.version is not None
        return Opened(id=accepted.id, payment_url=accepted.payment_url, payment=answer.read(Payment) if known else None)

    async def capture(
        self,
        payment_id: UUID,
        *,
        amount: int | None = None,
        cart: Cart | None = None,
        idempotency_key: str | None = None,
        wait_s: float = 10.0,
    ) -> OperationResult:
        """Capture an authorized payment: all of it, or ``amount`` with the ``cart`` that is still sold."""
        body = {"amount": amount, "cart": cart}
        return await self._act(payment_id, "capture", body, idempotency_key, wait_s)

    async def void(
        self, payment_id: UUID, reason: str, *, idempotency_key: str | None = None, wait_s: float = 10.0
    ) -> OperationResult:
        """Void an authorized payment."""
        return await self._act(payment_id, "void", {"reason": reason}, idempotency_key, wait_s)

    async def refund(
        self,
        payment_id: UUID,
        reason: str,
        *,
        amount: int | None = None,
        items: Sequence[RefundLine] = (),
        idempotency_key: str | None = None,
        wait_s: float = 10.0,
    ) -> OperationResult:
        """Refund a captured payment: ``amount``, or ``items``, or with neither everything that is left."""
        body = {"reason": reason, "amount": amount, "items": items or None}
        return await self._act(payment_id, "refund", body, idempotency_key, wait_s)

    async def cancel(
        self, payment_id: UUID, reason: str, *, idempotency_key: str | None = None, wait_s: float = 10.0
    ) -> OperationResult:
        """Cancel an unpaid payment."""
        return await self._act(payment_id, "cancel", {"reason": reason}, idempotency_key, wait_s)

    async def payment(self, payment_id: UUID, *, expand: Sequence[Expansion] = ()) -> Payment:
        """A payment as committed."""
        params = {"expand": ",".join(expand)} if expand else None
        return (await self._transport.send("GET", f"/v1/payments/{payment_id}", params=params)).read(Payment)

    async def payments(self, *, expand: Sequence[Expansion] = (), **filters: str) -> AsyncIterator[Payment]:
        """All payments that match, newest first, page by page. ``filters``: those of the API, such as ``customer_id`` or
        ``status``; ``**{"metadata[campaign]": "spring"}``."""
        params = {**filters, **({"expand": ",".join(expand)} if expand else {})}
        while True:
            page = (await self._transport.send("GET", "/v1/payments", params=params)).read(Page)
            for payment in page.data:
                yield payment
            if page.next_cursor is None:
                return
            params["cursor"] = page.next_cursor

    async def operations(self, payment_id: UUID) -> tuple[Operation, ...]:
        """The operations of a payment, oldest first."""
        answer = await self._transport.send("GET", f"/v1/payments/{payment_id}/operations")
        return answer.read(Entries[Operation]).data

    async def operation(self, payment_id: UUID, operation_id: UUID) -> OperationResult:
        """One operation, with its payment."""
        answer = await self._transport.send("GET", f"/v1/payments/{payment_id}/operations/{operation_id}")
        return answer.read(OperationResult)

    async def timeline(self, payment_id: UUID) -> tuple[Event, ...]:
        """Everything that happened to a payment, in order."""
        return (await self._transport.send("GET", f"/v1/payments/{payment_id}/timeline")).read(Entries[Event]).data

    async def changes(self, payment_id: UUID, *, after: int | None = None) -> AsyncIterator[Payment]:
        """The current payment, then the payment after each change: every version once and in order, without end. Break
        out of the loop when you have seen enough. ``after``: begin with the version that follows this one.

        ``operations`` of a change holds those that it created or changed. A broken stream is resumed, within the bounds
        of :class:`~billing_client.repeats.Repeats`; after that the last error is raised.
        """
        async for payment in follow(self._transport, f"/v1/payments/{payment_id}/events", Payment, after):
            yield payment

    async def payment_methods(self, customer_id: str) -> tuple[PaymentMethod, ...]:
        """A customer's methods that are not removed, the first saved first."""
        path = f"/v1/customers/{quote(customer_id, safe='')}/payment-methods"
        return (await self._transport.send("GET", path)).read(Entries[PaymentMethod]).data

    async def payment_method(self, method_id: UUID) -> PaymentMethod:
        """A method, also one that was removed."""
        return (await self._transport.send("GET", f"/v1/payment-methods/{method_id}")).read(PaymentMethod)

    async def remove_payment_method(self, method_id: UUID) -> None:
        """Remove a method: no charge of it is sent any more. A repeat changes nothing."""
        await self._transport.send("DELETE", f"/v1/payment-methods/{method_id}")

    async def _act(
        self, payment_id: UUID, name: str, body: dict[str, Any], key: str | None, wait_s: float
    ) -> OperationResult:
        given = {field: value for field, value in body.items() if value is not None}
        answer = await self._transport.command("POST", f"/v1/payments/{payment_id}/{name}", given, key, wait_s)
        return answer.read(OperationResult)


class _Accepted(msgspec.Struct, frozen=True):
    """The members of every response to a new payment; ``version`` only if the payment is known."""

    id: UUID
    payment_url: str | None = None
    version: int | None = None
