"""Stripe's own library against the sandbox: a client that does not share our reading of the reference."""

import asyncio
import time
from typing import Any

import pytest
import stripe

from tests.support.named_providers import StripeWorld
from tests.support.sandbox import API_KEY, running


@pytest.fixture
async def world(tmp_path):
    async with running(StripeWorld(tmp_path)) as world:
        yield world


@pytest.fixture
def client(world) -> stripe.StripeClient:
    return stripe.StripeClient(API_KEY, base_addresses={"api": f"{world.url}/stripe"}, max_network_retries=0)


async def off_the_loop(call: Any, *arguments: Any, **named: Any) -> Any:
    """The library blocks; the sandbox it calls runs in this loop."""
    return await asyncio.to_thread(call, *arguments, **named)


async def paid(client: stripe.StripeClient, amount: int, **fields: Any) -> Any:
    charge = {"amount": amount, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True, **fields}
    return await off_the_loop(client.v1.payment_intents.create, charge)


async def test_the_library_holds_captures_refunds_and_lists(client):
    held = await paid(client, 10_000, capture_method="manual", metadata={"operation": "ours"})
    assert (held.status, held.amount_capturable, held.metadata["operation"]) == ("requires_capture", 10_000, "ours")
    taken = await off_the_loop(client.v1.payment_intents.capture, held.id, {"amount_to_capture": 8_000})
    assert (taken.status, taken.amount_received) == ("succeeded", 8_000)
    refund = await off_the_loop(client.v1.refunds.create, {"payment_intent": held.id, "amount": 3_000})
    assert (refund.status, refund.payment_intent) == ("succeeded", held.id)
    assert (await off_the_loop(client.v1.refunds.retrieve, refund.id)).amount == 3_000
    refunds = await off_the_loop(client.v1.refunds.list, {"payment_intent": held.id})
    assert [row.id for row in refunds.data] == [refund.id]
    balance = await off_the_loop(client.v1.balance_transactions.list)
    assert {row.type: row.amount for row in balance.data} == {"charge": 8_000, "refund": -3_000}


async def test_the_library_cancels_a_hold(client):
    held = await paid(client, 10_000, capture_method="manual")
    assert (await off_the_loop(client.v1.payment_intents.cancel, held.id)).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await off_the_loop(client.v1.payment_intents.capture, held.id)
    assert caught.value.code == "payment_intent_unexpected_state"


async def test_the_library_pages_through_lists(client):
    for _ in range(3):
        await paid(client, 10_000)
    page = await off_the_loop(client.v1.payment_intents.list, {"limit": 2})
    assert (len(page.data), page.has_more) == (2, True)
    every = await off_the_loop(lambda: [row.id for row in page.auto_paging_iter()])
    assert len(set(every)) == 3


async def test_the_library_opens_a_page_and_expires_it(client, world):
    session = await off_the_loop(
        client.v1.checkout.sessions.create,
        {
            "mode": "payment",
            "success_url": "https://cinema.example/paid",
            "line_items": [
                {
                    "quantity": 2,
                    "price_data": {"currency": "eur", "unit_amount": 500, "product_data": {"name": "Film"}},
                }
            ],
        },
    )
    assert (session.status, session.amount_total, session.payment_intent) == ("open", 1_000, None)
    assert session.url == f"{world.url}/pay/{session.id}"
    assert (await off_the_loop(client.v1.checkout.sessions.expire, session.id)).status == "expired"


async def test_the_library_reads_the_errors(client, world):
    with pytest.raises(stripe.CardError) as declined:
        await paid(client, 10_000, payment_method="pm_card_visa_chargeDeclinedInsufficientFunds")
    error = declined.value.error
    assert error is not None
    assert (declined.value.http_status, error.decline_code) == (402, "insufficient_funds")
    with pytest.raises(stripe.InvalidRequestError):
        await paid(client, 10)
    create, once = client.v1.payment_intents.create, {"idempotency_key": "key-1"}
    await off_the_loop(create, {"amount": 10_000, "currency": "usd"}, once)
    with pytest.raises(stripe.IdempotencyError):
        await off_the_loop(create, {"amount": 20_000, "currency": "usd"}, once)
    stranger = stripe.StripeClient("sk_wrong", base_addresses={"api": f"{world.url}/stripe"})
    with pytest.raises(stripe.AuthenticationError):
        await paid(stranger, 10_000)


async def test_the_library_believes_the_sandbox_signatures(client, world):
    signatures: list[str] = []
    verify = world.verifier.verify

    async def listen(headers: Any, body: bytes, peer: str | None = None) -> Any:
        signatures.append(headers["stripe-signature"])
        return await verify(headers, body, peer)

    world.verifier.verify = listen
    await paid(client, 10_000)
    await world.until(lambda: bool(signatures))
    for secret in ("whsec_old", "whsec_new"):
        event = client.construct_event(world.tokens[0], signatures[0], secret)
        assert event.type == "payment_intent.succeeded"
    with pytest.raises(stripe.SignatureVerificationError):
        client.construct_event(world.tokens[0], signatures[0], "whsec_foreign")
    assert abs(event.created - time.time()) < 60
