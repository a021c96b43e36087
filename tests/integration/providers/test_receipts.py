"""Receipts of refunds (54-FZ): domain, adapter and sandbox together, with what is sent to the provider."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from billing.messages import RefundLine, RefundPayment, RollbackPayment
from billing.orders import Cart, Contact, Item, Order
from billing.payments.model import Payment
from billing.vocabulary import OperationStatus, PaymentStatus
from tests.support.factories import a_create, an_order
from tests.support.named_providers import TBankWorld
from tests.support.provider_life import Life
from tests.support.sandbox import ProviderWorld, running
from tests.support.yookassa import YooKassaWorld

WORLDS = {"yookassa": (YooKassaWorld, "/yookassa/v3"), "tbank": (TBankWorld, "/tbank")}


class Shop(Life):
    """A payment of three items of 100.00 and one of 50.00. ``sent``: the bodies of all calls."""

    def __init__(self, world: ProviderWorld) -> None:
        super().__init__(world)
        self.sent: list[dict[str, Any]] = []

    async def paid(self) -> Payment:
        cart = Cart((Item("film-1", "Film 1", 3, 10_000), Item("film-2", "Film 2", 1, 5_000)))
        order: Order = msgspec.structs.replace(
            an_order(), cart=cart, amount=cart.total, contact=Contact("viewer@cinema.example")
        )
        await self.tell(a_create(order=order, provider=self.world.adapter.name))
        await self.pays()
        payment = await self.settled()
        for _ in range(40):
            if payment.status is PaymentStatus.CAPTURED:
                return payment
            payment = await self.called_back()
        raise AssertionError(payment.status)

    async def refund(self, **fields: Any) -> list[tuple[str, int, int]] | None:
        """Refund, and the receipt that was sent: title, quantity and price of each line; ``None`` without one."""
        assert self.payment is not None
        id = a_create().payment_id
        payment = await self.tell(RefundPayment(self.payment.id, id, "asked", **fields))
        operation = payment.operation(id)
        assert operation is not None
        assert operation.status is OperationStatus.SUCCESS, operation
        return self.receipt()

    def receipt(self) -> list[tuple[str, int, int]] | None:
        body = self.sent[-1]
        if self.world.provider == "tbank":
            lines = body.get("Receipt", {}).get("Items")
            return None if lines is None else [(line["Name"], line["Quantity"], line["Price"]) for line in lines]
        lines = body.get("receipt", {}).get("items")
        return lines and [
            (line["description"], line["quantity"], int(line["amount"]["value"].replace(".", ""))) for line in lines
        ]


@pytest.fixture(params=WORLDS)
async def shop(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shop]:
    world_of, path = WORLDS[request.param]
    async with running(world_of(tmp_path)) as world:
        shop = Shop(world)

        async def relay(asked: web.Request) -> web.Response:
            body = await asked.read()
            if body:
                shop.sent.append(json.loads(body))
            headers = {name: value for name, value in asked.headers.items() if name not in ("Host", "Content-Length")}
            async with (
                ClientSession() as http,
                http.request(asked.method, f"{world.url}{asked.path_qs}", data=body, headers=headers) as answer,
            ):
                return web.Response(status=answer.status, body=await answer.read(), content_type="application/json")

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", relay)
        server = TestServer(app)
        await server.start_server()
        await world.adapter.close()
        world.adapter = world.make_adapter(url=str(server.make_url(path)))
        await world.adapter.start()
        yield shop
        await server.close()


async def test_a_refund_of_an_amount_and_of_the_rest_have_receipts_that_add_up(shop: Shop):
    await shop.paid()
    assert await shop.refund(amount=4_000) == [("Film 1", 1, 4_000)]
    assert await shop.refund(items=(RefundLine("film-2", 1),)) == [("Film 2", 1, 5_000)]
    rest = await shop.refund()
    assert sorted(rest or []) == [("Film 1", 1, 6_000), ("Film 1", 2, 10_000)]
    assert (await shop.book())["refunded"] == 35_000


async def test_a_refund_of_the_whole_payment_leaves_the_receipt_to_the_provider(shop: Shop):
    await shop.paid()
    assert await shop.refund() is None


async def test_a_rollback_after_a_refund_has_the_receipt_of_the_rest(shop: Shop):
    payment = await shop.paid()
    await shop.refund(items=(RefundLine("film-1", 3),))
    await shop.tell(RollbackPayment(payment.id, a_create().payment_id, "asked"))
    assert shop.receipt() == [("Film 2", 1, 5_000)]
