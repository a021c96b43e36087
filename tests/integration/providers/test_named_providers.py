"""What Stripe and T-Bank have in common: the provider names the payment, signs what it says, and takes part captures,
refunds and charges of saved methods. Each adapter against the sandbox, over HTTP."""

import asyncio
from datetime import UTC, datetime

import msgspec
import pytest
from pydantic import SecretStr

from billing.reasons import Reason, Recovery
from billing.vocabulary import Action, Outcome, PaymentStatus
from tests.support.factories import an_order
from tests.support.named_providers import ProviderNamedWorld, StripeWorld, TBankWorld, a_charge
from tests.support.sandbox import a_request, running


@pytest.fixture(params=[StripeWorld, TBankWorld], ids=["stripe", "tbank"])
async def world(request, tmp_path):
    async with running(request.param(tmp_path)) as world:
        yield world


async def inquired(world, request):
    result = await world.ask_for(request, Action.INQUIRE)
    assert result.outcome is Outcome.SUCCEEDED, result
    assert result.observed is not None
    return result.observed


async def method(world) -> str:
    """A saved method."""
    request = await world.settled(59_900, save_method=True)
    reference = (await inquired(world, request)).method_ref if world.adapter.name == "stripe" else None
    return reference or next(said.observed.method_ref for said in world.said(request) if said.observed.method_ref)


async def test_a_paid_payment_is_called_back_under_our_operation(world: ProviderNamedWorld):
    request = await world.settled(59_900)
    await world.until(lambda: "CAPTURED" in world.statuses(request))
    assert str(request.operation_id) in world.said(request)[0].references
    assert request.order_ref != str(request.operation_id)
    assert (await world.book(request.order_ref))["captured"] == 59_900


async def test_a_hold_is_captured_in_part_and_the_rest_is_released(world: ProviderNamedWorld):
    request = await world.hold(60_000, 40_000)
    assert set(world.statuses(request)) == {"AUTHORIZED"}
    assert (await world.ask_for(request, Action.CAPTURE, 60_000)).outcome is Outcome.SUCCEEDED
    assert (await world.book(request.order_ref))["captured"] == 60_000
    assert (await inquired(world, request)).status is PaymentStatus.CAPTURED


async def test_a_hold_is_voided(world: ProviderNamedWorld):
    request = await world.hold(59_900)
    assert (await world.ask_for(request, Action.VOID)).outcome is Outcome.SUCCEEDED
    assert (await inquired(world, request)).status is PaymentStatus.VOIDED
    await world.until(lambda: "VOIDED" in world.statuses(request))


async def test_refunds_in_parts_add_up_and_more_is_declined(world: ProviderNamedWorld):
    request = await world.settled(60_000, 40_000)
    for amount, kept in ((30_000, 100_000), (30_000, 70_000), (40_000, 40_000)):
        assert (
            await world.ask_for(request, Action.REFUND, amount, refundable_before=kept)
        ).outcome is Outcome.SUCCEEDED
    more = await world.ask_for(request, Action.REFUND, 10_000)
    assert more.outcome is Outcome.DECLINED
    assert (await world.book(request.order_ref))["refunded"] == 100_000
    assert (await inquired(world, request)).status is PaymentStatus.REFUNDED


@pytest.mark.parametrize("action", [Action.VOID, Action.REFUND])
async def test_the_same_operation_asked_for_twice_happens_once(world: ProviderNamedWorld, action):
    request = await (world.hold if action is Action.VOID else world.settled)(60_000)
    operation = world.about(request, action, 60_000 if action is Action.VOID else 20_000, refundable_before=60_000)
    for _ in range(2):
        assert (await world.adapter.perform(operation)).outcome is Outcome.SUCCEEDED
    book = await world.book(request.order_ref)
    assert [o["type"] for o in book["operations"]].count(action.value) == 1


@pytest.mark.parametrize("action", [Action.CAPTURE, Action.VOID, Action.REFUND])
async def test_an_operation_whose_answer_was_lost_happens_once(world: ProviderNamedWorld, action):
    request = await (world.settled if action is Action.REFUND else world.hold)(60_000)
    await world.tell("faults", fault="error_500_after_commit", operation=action.value.lower(), count=1)
    operation = world.about(request, action)
    assert (await world.adapter.perform(operation)).outcome is Outcome.UNKNOWN
    await world.adapter.perform(operation)
    status = {Action.CAPTURE: "CAPTURED", Action.VOID: "VOIDED", Action.REFUND: "REFUNDED"}[action]
    assert (await inquired(world, request)).status == status
    book = await world.book(request.order_ref)
    assert [o["type"] for o in book["operations"]].count(action.value) == 1


async def test_a_refund_under_way_ends_later(world: ProviderNamedWorld):
    request = await world.settled(60_000)
    await world.tell("faults", fault="refund_later", operation="refund", count=1)
    assert (await world.ask_for(request, Action.REFUND, refundable_before=60_000)).outcome is Outcome.PENDING
    assert (await inquired(world, request)).status is PaymentStatus.CAPTURED
    async with asyncio.timeout(20):
        while (await inquired(world, request)).status is not PaymentStatus.REFUNDED:
            await asyncio.sleep(0.01)


async def test_a_saved_method_is_charged_with_the_customer_absent(world: ProviderNamedWorld):
    charge = a_charge(world.adapter.name, await method(world))
    result = await world.adapter.perform(charge)
    assert result.outcome is Outcome.SUCCEEDED, result
    again = await world.adapter.perform(charge)
    assert (again.outcome, again.provider_ref) == (Outcome.SUCCEEDED, result.provider_ref)
    assert (await world.totals())["captured"] == 59_900 + 29_900
    named = msgspec.structs.replace(charge, order_ref=result.provider_ref or "")
    assert (await world.ask_for(named, Action.REFUND)).outcome is Outcome.SUCCEEDED


async def test_a_decline_of_one_method_leaves_the_others_alone(world: ProviderNamedWorld):
    spoilt, other = await method(world), await method(world)
    code = {"stripe": "expired_card", "tbank": "1054"}[world.adapter.name]
    await world.tell("faults", fault=f"decline:{code}", method=spoilt, count=1)
    charges = [a_charge(world.adapter.name, one) for one in (other, spoilt, spoilt)]
    outcomes = [(await world.adapter.perform(charge)).outcome for charge in charges]
    assert outcomes == [Outcome.SUCCEEDED, Outcome.DECLINED, Outcome.SUCCEEDED]


DECLINES = {
    "stripe": [
        ("method_revoked", "method_revoked", Recovery.NEW_METHOD),
        ("decline:insufficient_funds", "insufficient_funds", Recovery.RETRY_LATER),
        ("decline:authentication_required", "authentication_required", Recovery.NEW_METHOD),
    ],
    "tbank": [
        ("method_revoked", "declined", Recovery.NEW_METHOD),
        ("decline:1051", "insufficient_funds", Recovery.RETRY_LATER),
        ("decline:1054", "card_expired", Recovery.NEW_METHOD),
    ],
}


async def test_a_declined_charge_says_why_and_a_repeat_of_it_charges_nothing(world: ProviderNamedWorld):
    saved = await method(world)
    for fault, reason, helps in DECLINES[world.adapter.name]:
        await world.tell("faults", fault=fault, operation="recur", count=1)
        charge = a_charge(world.adapter.name, saved)
        result = await world.adapter.perform(charge)
        assert (result.outcome, result.reason, Reason.of(result.reason).recovery) == (Outcome.DECLINED, reason, helps)
        assert (await world.adapter.perform(charge)).outcome is Outcome.DECLINED
        assert (await inquired(world, charge)).status is PaymentStatus.FAILED
    assert (await world.totals())["captured"] == 59_900


async def test_a_charge_whose_answer_was_lost_is_found_by_our_operation(world: ProviderNamedWorld):
    charge = a_charge(world.adapter.name, await method(world))
    await world.tell("faults", fault="error_500_after_commit", operation="recur", count=1)
    assert (await world.adapter.perform(charge)).outcome is Outcome.UNKNOWN
    observed = await inquired(world, charge)
    assert observed.status is PaymentStatus.CAPTURED
    assert observed.order_ref is not None
    assert observed.order_ref != charge.order_ref
    await world.adapter.perform(charge)
    assert (await world.totals())["captured"] == 59_900 + 29_900


async def test_a_hold_whose_time_is_over_is_released(world: ProviderNamedWorld):
    request = await world.hold(59_900)
    await world.ask("POST", f"/_sandbox/expire/{request.order_ref}")
    await world.until(lambda: "VOIDED" in world.statuses(request))
    assert (await inquired(world, request)).status is PaymentStatus.VOIDED
    assert (await world.ask_for(request, Action.CAPTURE)).outcome is Outcome.DECLINED


async def test_a_page_whose_time_is_over_fails_the_payment(world: ProviderNamedWorld):
    request = await world.open(59_900)
    await world.ask("POST", f"/_sandbox/expire/{request.order_ref}")
    await world.until(lambda: world.statuses(request) == ["FAILED"])
    observed = await inquired(world, request)
    assert (observed.status, observed.reason) == (PaymentStatus.FAILED, "expired")


@pytest.mark.parametrize("state", ["open", "held", "taken"])
async def test_a_rollback_closes_a_payment_whatever_its_state(world: ProviderNamedWorld, state):
    request = await {"open": world.open, "held": world.hold, "taken": world.settled}[state](59_900)
    result = await world.ask_for(request, Action.ROLLBACK)
    assert result.outcome in (Outcome.SUCCEEDED, Outcome.PENDING)
    book = await world.book(request.order_ref)
    assert book["captured"] == book["refunded"]
    assert (await world.customer(request, "pay"))["done"] is False
    assert (await inquired(world, request)).status in ("FAILED", "VOIDED", "REFUNDED")


async def test_an_inquiry_about_what_the_provider_does_not_have_says_so(world: ProviderNamedWorld):
    never = a_request(Action.INQUIRE, provider=world.adapter.name, opened_at=datetime.now(UTC))
    result = await world.adapter.perform(never)
    assert (result.outcome, result.reason) == (Outcome.SUCCEEDED, "order_not_found")
    assert result.observed is not None
    assert result.observed.status is None


@pytest.mark.parametrize(
    ("fault", "outcome", "reason"),
    [
        ("rate_limited", Outcome.NOT_SENT, "rate_limited"),
        ("key_refused", Outcome.NOT_SENT, "credentials"),
        ("error_500_before_commit", Outcome.UNKNOWN, "http_500"),
        ("connection_reset", Outcome.UNKNOWN, "connection_broken"),
    ],
)
async def test_a_fault_before_anything_is_done_leaves_nothing_behind(world: ProviderNamedWorld, fault, outcome, reason):
    await world.tell("faults", fault=fault, operation="create", count=1)
    request = a_request(order=an_order(59_900), provider=world.adapter.name, opened_at=datetime.now(UTC))
    result = await world.adapter.perform(request)
    assert (result.outcome, result.reason) == (outcome, reason)
    assert (await world.ask("GET", "/_sandbox/book"))["orders"] == []
    assert (await world.adapter.perform(request)).outcome is Outcome.PENDING


async def test_a_callback_may_be_lost_or_come_twice(world: ProviderNamedWorld):
    await world.tell("faults", fault="callback_lost", operation="pay", count=2)
    lost = await world.open(59_900)
    await world.customer(lost, "pay")
    assert (await inquired(world, lost)).status is PaymentStatus.CAPTURED
    await world.tell("faults", fault="callback_twice", operation="pay", count=1)
    twice = await world.settled(59_900)
    await world.until(lambda: len(world.said(twice)) == 3)
    assert len({said.dedupe for said in world.said(twice)}) == 2


async def test_a_callback_that_was_not_stored_is_delivered_again(world: ProviderNamedWorld):
    world.accepts = False
    request = await world.open(59_900)
    await world.customer(request, "pay")
    await world.until(lambda: len(world.tokens) >= 2)
    world.accepts = True
    await world.until(lambda: "CAPTURED" in world.statuses(request))


async def test_a_wrong_key_is_turned_away_before_anything_happens(world: ProviderNamedWorld):
    wrong = SecretStr("wrong")
    adapter = world.make_adapter(**{"stripe": {"secret_key": wrong}, "tbank": {"password": wrong}}[world.provider])
    await adapter.start()
    result = await adapter.perform(a_request(order=an_order(59_900), provider=adapter.name))
    await adapter.close()
    assert (result.outcome, result.reason) == (Outcome.NOT_SENT, "credentials")
    assert (await world.ask("GET", "/_sandbox/book"))["orders"] == []
