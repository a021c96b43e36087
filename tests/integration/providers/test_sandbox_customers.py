"""The payment page, and the customers that come by themselves."""

import aiohttp
import msgspec
import pytest

from billing.orders import Cart, Item
from providers.registry import PLUGINS
from providers.sandbox.cards import CARDS, Card
from providers.sandbox.ledger import Order, ProviderLedger
from tests.support.factories import an_order
from tests.support.sandbox import ProviderWorld, a_request, a_world


async def page(world: ProviderWorld, order_ref: str) -> str:
    async with aiohttp.ClientSession() as http, http.get(f"{world.url}/pay/{order_ref}") as answer:
        return await answer.text()


@pytest.mark.parametrize(
    ("outcome", "leads_to", "shown"),
    [
        ("pay", "https://cinema.example/paid", "captured"),
        ("decline", "https://cinema.example/failed", "failed"),
        ("walk_away", "https://cinema.example/failed", "Walk away"),
    ],
)
async def test_the_payment_page_shows_the_cart_and_its_form_leads_back(world: ProviderWorld, outcome, leads_to, shown):
    request = await world.open()
    text = await page(world, request.order_ref)
    assert "Film 1" in text
    assert "599.00" in text
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{world.url}/pay/{request.order_ref}", data={"outcome": outcome}, allow_redirects=False) as answer,
    ):
        assert (answer.status, answer.headers["Location"]) == (303, leads_to)
    assert shown in await page(world, request.order_ref)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.answer)
async def test_a_person_chooses_a_test_card_and_lands_on_a_page(world: ProviderWorld, card: Card):
    request = await world.open()
    assert card.number in await page(world, request.order_ref)
    form = {"outcome": "pay", "card": card.number}
    async with aiohttp.ClientSession() as http, http.post(f"{world.url}/pay/{request.order_ref}", data=form) as answer:
        text = await answer.text()
        assert (answer.status, answer.url.path) == (200, f"/pay/{request.order_ref}/back")
    assert "Back at the shop" in text
    order = await world.book(request.order_ref)
    if card.codes:
        assert "Not paid" in text
        assert (order["status"], order["operations"][-1]["reason"]) == ("FAILED", card.codes[world.adapter.name])
    else:
        assert "Thank you" in text
        assert order["status"] == "CAPTURED"


def test_every_provider_has_an_answer_for_every_card():
    assert all(set(card.codes) in (set(), set(PLUGINS)) for card in CARDS)


async def test_an_order_that_is_not_there_is_a_page_for_a_browser(world: ProviderWorld):
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{world.url}/pay/none", headers={"Accept": "text/html"}) as answer,
    ):
        assert (answer.status, answer.content_type) == (404, "text/html")
        assert "All orders" in await answer.text()


@pytest.mark.parametrize("body", [{"outcome": "steal"}, {}])
@pytest.mark.parametrize("form", ["data", "json"])
async def test_a_customer_can_only_pay_be_declined_or_walk_away(world: ProviderWorld, form, body):
    request = await world.open()
    url = f"{world.url}/pay/{request.order_ref}"
    async with aiohttp.ClientSession() as http, http.post(url, **{form: body}) as answer:
        assert answer.status == 400


async def test_an_order_past_its_time_can_no_longer_be_paid_and_nobody_is_told(tmp_path):
    book = ProviderLedger(tmp_path / "sandbox" / "book.sqlite")
    book.put(Order("old", "yandex-pay", "RUB", 59_900, "PENDING", created=1.0, expires=2.0))
    book.close()
    async with a_world(tmp_path) as world:
        old = a_request(order_ref="old")
        for outcome in ("pay", "decline"):
            assert await world.customer(old, outcome) == {"status": "PENDING", "done": False}
        assert "Status of the order: <code>expired</code>" in await page(world, "old")
        await world.paid()
        assert world.said(old) == []


async def test_no_text_of_an_order_is_markup_on_the_page(world: ProviderWorld):
    cart = Cart((Item("film-1", "<script>alert(1)</script>", 1, 59_900),))
    request = a_request(order=msgspec.structs.replace(an_order(), cart=cart))
    await world.adapter.perform(request)
    text = await page(world, request.order_ref)
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


async def test_automatic_customers_come_once_to_every_order_and_choose_by_weight(world: ProviderWorld):
    await world.tell("customers", mode="auto", pay=0.5, decline=0.25, walk_away=0.25, seed=3)
    requests = [await world.open() for _ in range(40)]
    for request in requests:
        await world.adapter.perform(request)
    choices = [(await world.book(request.order_ref))["customer"] for request in requests]
    assert set(choices) == {"pays", "declines", "walks_away"}
    await world.until(lambda: len(world.callbacks) == len(choices) - choices.count("walks_away"))


@pytest.mark.parametrize("body", [b"{", b'{"mode":"crazy"}', b'{"pay":-1}', b'{"pay":0}', b'{"seeds":1}'])
async def test_customers_that_cannot_be_understood_are_refused(world: ProviderWorld, body):
    async with aiohttp.ClientSession() as http, http.post(f"{world.url}/_sandbox/customers", data=body) as answer:
        assert answer.status == 400
