"""The YooKassa adapter against the sandbox, over HTTP."""

from datetime import UTC, datetime, timedelta

import aiohttp
import msgspec
import pytest

from billing.messages import ObservedOperation
from billing.reasons import Reason, Recovery
from billing.vocabulary import Action, CaptureMode, OperationStatus, OperationType, Outcome, PaymentStatus
from tests.support.factories import an_order
from tests.support.sandbox import a_request, about
from tests.support.yookassa import YooKassaWorld, a_charge, a_yookassa_world

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def world(tmp_path):
    async with a_yookassa_world(tmp_path) as world:
        yield world


def unnamed(request, action=Action.INQUIRE, operation_id=None, since=None):
    """A later request about a payment whose name never reached us."""
    own = str(request.operation_id)
    asked = a_request(action, provider="yookassa", order_ref=own, operation_id=operation_id or request.operation_id)
    return msgspec.structs.replace(asked, opened_at=since or datetime.now(UTC), amount=request.amount)


async def test_a_payment_of_one_stage_is_opened_paid_and_seen(world: YooKassaWorld):
    request = await world.open()
    opened = await world.inquire(request)
    assert (opened.observed.status, opened.payment_url) == (
        PaymentStatus.PENDING,
        f"{world.url}/pay/{request.order_ref}",
    )
    await world.customer(request, "pay")
    seen = await world.inquire(request)
    assert seen.outcome is Outcome.SUCCEEDED
    assert (seen.observed.status, seen.observed.order_ref) == (PaymentStatus.CAPTURED, request.order_ref)
    assert seen.observed.method_ref is None


async def test_two_stages_are_chosen_per_request_and_a_part_captured_releases_the_rest(world: YooKassaWorld):
    held, at_once = await world.hold(60_000, 40_000), await world.confirmed(10_000)
    assert (await world.inquire(held)).observed.status is PaymentStatus.AUTHORIZED
    assert (await world.inquire(at_once)).observed.status is PaymentStatus.CAPTURED
    assert (await world.adapter.perform(about(held, Action.CAPTURE, 60_000))).outcome is Outcome.SUCCEEDED
    book = await world.book(held.order_ref)
    assert (book["authorized"], book["captured"]) == (100_000, 60_000)
    whole = await world.adapter.perform(about(held, Action.REFUND, 60_000))
    assert whole.outcome is Outcome.SUCCEEDED
    assert (await world.inquire(held)).observed.status is PaymentStatus.REFUNDED


async def test_a_hold_is_voided(world: YooKassaWorld):
    request = await world.hold()
    assert (await world.adapter.perform(about(request, Action.VOID))).outcome is Outcome.SUCCEEDED
    assert (await world.inquire(request)).observed.status is PaymentStatus.VOIDED


@pytest.mark.parametrize(
    ("mode", "status", "reason"),
    [
        (CaptureMode.TWO_STAGE, PaymentStatus.VOIDED, None),
        (CaptureMode.ONE_STAGE, PaymentStatus.FAILED, "expired"),
    ],
    ids=["held", "unpaid"],
)
async def test_what_runs_out_of_time_is_closed_by_the_provider_who_tells_so(world: YooKassaWorld, mode, status, reason):
    request = await world.open(capture_mode=mode)
    if mode is CaptureMode.TWO_STAGE:
        await world.customer(request, "pay")
    await world.ask("POST", f"/_sandbox/expire/{request.order_ref}")
    await world.until(lambda: "payment.canceled" in world.events())
    observed = (await world.inquire(request)).observed
    assert (observed.status, observed.reason) == (status, reason)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("insufficient_funds", "insufficient_funds"),
        ("3d_secure_failed", "3d_secure_failed"),
        ("invalid_csc", "invalid_card"),
        ("payment_method_limit_exceeded", "limit_exceeded"),
        ("country_forbidden", "declined"),
    ],
)
async def test_a_decline_says_why_in_our_words(world: YooKassaWorld, told, reason):
    request = await world.open()
    await world.customer(request, "decline", reason=told)
    observed = (await world.inquire(request)).observed
    assert (observed.status, observed.reason) == (PaymentStatus.FAILED, reason)


async def test_refunds_are_seen_one_by_one_with_our_operations_ids(world: YooKassaWorld):
    request = await world.confirmed(60_000, 40_000)
    refunds = [about(request, Action.REFUND, amount) for amount in (10_000, 20_000)]
    answers = [await world.adapter.perform(refund) for refund in refunds]
    assert [answer.outcome for answer in answers] == [Outcome.SUCCEEDED] * 2
    observed = (await world.inquire(request)).observed
    assert observed.status is PaymentStatus.CAPTURED
    assert set(observed.operations) == {
        ObservedOperation(
            OperationType.REFUND, OperationStatus.SUCCESS, refund.operation_id, answer.provider_ref, refund.amount
        )
        for refund, answer in zip(refunds, answers, strict=True)
    }
    too_much = await world.adapter.perform(about(request, Action.REFUND, 70_001))
    assert (too_much.outcome, too_much.reason) == (Outcome.DECLINED, "invalid_request")


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        ("refund_later", OperationStatus.SUCCESS, None),
        ("refund_fails_later", OperationStatus.FAIL, "declined"),
    ],
)
async def test_a_refund_may_be_under_way_for_a_while(world: YooKassaWorld, fault, status, reason):
    request = await world.confirmed()
    await world.tell("faults", fault=fault, operation="refund", count=1)
    refund = about(request, Action.REFUND)
    assert (await world.adapter.perform(refund)).outcome is Outcome.PENDING

    async def ended() -> ObservedOperation | None:
        (operation,) = (await world.inquire(request)).observed.operations
        return operation if operation.status is not OperationStatus.PENDING else None

    while (operation := await ended()) is None:
        pass
    assert (operation.operation_id, operation.status, operation.reason) == (refund.operation_id, status, reason)


async def test_a_saved_method_is_charged_with_the_customer_absent(world: YooKassaWorld):
    first = await world.confirmed(29_900, save_method=True)
    seen = (await world.inquire(first)).observed
    assert seen is not None
    assert (seen.method_title, seen.method_expires) == ("Mir *0004", "2030-12")
    method = seen.method_ref
    assert method is not None
    charge = a_charge(method, an_order(29_900))
    result = await world.adapter.perform(charge)
    assert (result.outcome, result.observed.status) == (Outcome.SUCCEEDED, PaymentStatus.CAPTURED)
    assert (await world.adapter.perform(charge)).provider_ref == result.provider_ref
    assert (await world.book(result.provider_ref))["requests"] == {"recur": 2}


@pytest.mark.parametrize(
    ("fault", "reason", "helps"),
    [
        ("method_revoked", "method_revoked", Recovery.NEW_METHOD),
        ("decline:insufficient_funds", "insufficient_funds", Recovery.RETRY_LATER),
    ],
)
async def test_a_charge_of_a_saved_method_is_declined_with_a_reason(world: YooKassaWorld, fault, reason, helps):
    first = await world.confirmed(29_900, save_method=True)
    await world.tell("faults", fault=fault, operation="recur", count=1)
    result = await world.adapter.perform(a_charge(first.order_ref, an_order(29_900)))
    assert (result.outcome, result.reason, Reason.of(result.reason).recovery) == (Outcome.DECLINED, reason, helps)


async def test_a_decline_of_one_method_leaves_the_others_alone(world: YooKassaWorld):
    spoilt, other = [await world.confirmed(29_900, save_method=True) for _ in range(2)]
    await world.tell("faults", fault="decline:card_expired", method=spoilt.order_ref, count=1)
    charges = [a_charge(one.order_ref, an_order(29_900)) for one in (other, spoilt, spoilt)]
    outcomes = [(await world.adapter.perform(charge)).outcome for charge in charges]
    assert outcomes == [Outcome.SUCCEEDED, Outcome.DECLINED, Outcome.SUCCEEDED]


async def test_a_method_that_was_not_saved_cannot_be_charged(world: YooKassaWorld):
    first = await world.confirmed(29_900)
    result = await world.adapter.perform(a_charge(first.order_ref, an_order(29_900)))
    assert (result.outcome, result.reason) == (Outcome.DECLINED, "invalid_request")


@pytest.mark.parametrize("fault", ["error_500_after_commit", "timeout_after_commit"])
async def test_a_payment_whose_name_was_lost_is_found_by_our_operation(tmp_path, fault):
    async with a_yookassa_world(tmp_path, timeout_s=0.5) as world:
        await world.open()
        await world.tell("faults", fault=fault, operation="create", count=1)
        request = a_request(provider="yookassa")
        assert (await world.adapter.perform(request)).outcome is Outcome.UNKNOWN
        found = await world.adapter.perform(unnamed(request))
        assert (found.outcome, found.observed.status) == (Outcome.SUCCEEDED, PaymentStatus.PENDING)
        again = await world.adapter.perform(request)
        assert (again.outcome, again.provider_ref) == (Outcome.PENDING, found.observed.order_ref)
        assert (await world.book(found.observed.order_ref))["requests"]["create"] == 2


async def test_a_search_of_many_pages_ends_although_the_provider_fails_some_of_them(world: YooKassaWorld, monkeypatch):
    monkeypatch.setattr("providers.http.PAGE", 1)
    requests = [await world.open() for _ in range(6)]
    for fault in ("error_500_before_commit", "rate_limited", "connection_reset"):
        await world.tell("faults", fault=fault, operation="*", count=1)
    found = await world.adapter.perform(unnamed(requests[0]))
    assert (found.outcome, found.observed.order_ref) == (Outcome.SUCCEEDED, requests[0].order_ref)


async def test_a_search_reads_page_after_page_and_only_then_says_that_there_is_none(world: YooKassaWorld, monkeypatch):
    monkeypatch.setattr("providers.http.PAGE", 2)
    requests = [await world.open() for _ in range(5)]
    found = await world.adapter.perform(unnamed(requests[0]))
    assert found.observed.order_ref == requests[0].order_ref
    none = await world.adapter.perform(unnamed(a_request()))
    assert (none.outcome, none.reason, none.observed.status) == (Outcome.SUCCEEDED, "order_not_found", None)
    late = await world.adapter.perform(unnamed(requests[0], since=datetime.now(UTC) + 2 * MINUTE))
    assert late.reason == "order_not_found"
    monkeypatch.setattr("providers.http.PAGES_MAX", 2)
    assert (await world.adapter.perform(unnamed(requests[0]))).reason == "search_too_long"


async def test_an_inquiry_that_cannot_say_since_when_says_nothing(world: YooKassaWorld):
    request = await world.open()
    asked = msgspec.structs.replace(unnamed(request), opened_at=None)
    assert (await world.adapter.perform(asked)).outcome is Outcome.UNKNOWN


async def test_a_rollback_releases_what_is_held_gives_back_what_was_taken_and_cannot_close_the_unpaid(
    world: YooKassaWorld,
):
    held, taken, unpaid = await world.hold(), await world.confirmed(), await world.open()
    assert (await world.adapter.perform(about(held, Action.ROLLBACK))).outcome is Outcome.SUCCEEDED
    assert (await world.book(held.order_ref))["status"] == "VOIDED"
    rollback = about(taken, Action.ROLLBACK)
    result = await world.adapter.perform(rollback)
    assert result.outcome is Outcome.PENDING
    assert [(o.operation_id, o.status) for o in result.observed.operations] == [
        (rollback.operation_id, OperationStatus.SUCCESS)
    ]
    assert (await world.book(taken.order_ref))["refunded"] == taken.amount
    result = await world.adapter.perform(about(unpaid, Action.ROLLBACK))
    assert (result.outcome, result.reason) == (Outcome.DECLINED, "unsupported")
    voided = await world.adapter.perform(about(held, Action.ROLLBACK))
    assert voided.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("action", [Action.CAPTURE, Action.VOID, Action.REFUND])
async def test_an_operation_happens_once_although_it_is_sent_again_after_an_error(world: YooKassaWorld, action):
    request = await (world.confirmed() if action is Action.REFUND else world.hold())
    name = action.value.lower()
    await world.tell("faults", fault="error_500_after_commit", operation=name, count=1)
    operation = about(request, action)
    assert (await world.adapter.perform(operation)).outcome is Outcome.UNKNOWN
    assert (await world.adapter.perform(operation)).outcome is Outcome.SUCCEEDED
    book = await world.book(request.order_ref)
    assert [o["type"] for o in book["operations"]].count(action.value) == 1
    assert book["requests"][name] == 2


@pytest.mark.parametrize("action", [Action.CREATE, Action.INQUIRE])
async def test_a_call_that_was_turned_away_was_not_sent(world: YooKassaWorld, action):
    request = await world.open()
    await world.tell("faults", fault="rate_limited", operation=action.value.lower(), count=1)
    result = await world.adapter.perform(about(request, action) if action is Action.INQUIRE else a_request())
    assert (result.outcome, result.reason) == (Outcome.NOT_SENT, "rate_limited")


async def test_a_provider_that_is_not_there_was_not_sent_anything(world: YooKassaWorld):
    adapter = world.make_adapter(url="http://127.0.0.1:9")
    await adapter.start()
    result = await adapter.perform(a_request())
    await adapter.close()
    assert (result.outcome, result.reason) == (Outcome.NOT_SENT, "unreachable")


async def test_a_wrong_key_is_for_an_operator_to_mend(world: YooKassaWorld):
    adapter = world.make_adapter(shop_id="another")
    await adapter.start()
    result = await adapter.perform(a_request())
    await adapter.close()
    assert (result.outcome, result.reason) == (Outcome.NOT_SENT, "credentials")


async def test_a_payment_without_return_urls_cannot_be_expressed(world: YooKassaWorld):
    order = msgspec.structs.replace(an_order(), return_urls=None)
    result = await world.adapter.perform(a_request(order=order))
    assert (result.outcome, result.reason) == (Outcome.DECLINED, "return_urls_required")


async def test_a_notification_carries_no_state_and_names_the_payment_both_ways(world: YooKassaWorld):
    request = await world.confirmed()
    refund = about(request, Action.REFUND)
    await world.adapter.perform(refund)
    await world.until(lambda: len(world.callbacks) == 2)
    paid, refunded = world.callbacks
    assert all(said.ask for said in world.callbacks)
    assert all(said.observed.status is None and not said.observed.operations for said in world.callbacks)
    assert paid.references == (request.order_ref, str(request.operation_id))
    assert refunded.references == (request.order_ref, str(refund.operation_id))


async def test_faults_of_notifications_are_as_for_every_provider(world: YooKassaWorld):
    await world.tell("faults", fault="callback_lost", provider="yookassa", operation="pay", count=1)
    lost = await world.open()
    await world.customer(lost, "pay")
    await world.tell("faults", fault="callback_twice", provider="yookassa", operation="pay", count=1)
    twice = await world.confirmed()
    await world.until(lambda: len(world.callbacks) == 2)
    assert world.said(lost) == []
    assert {said.dedupe for said in world.said(twice)} == {f"payment.succeeded/{twice.order_ref}"}


async def test_both_providers_live_in_one_sandbox(world: YooKassaWorld):
    await world.confirmed()
    async with aiohttp.ClientSession() as http, http.get(f"{world.url}/yandex-pay/api/jwks") as answer:
        assert answer.status == 200
    (order,) = (await world.ask("GET", "/_sandbox/book"))["orders"]
    assert (order["provider"], order["status"]) == ("yookassa", "CAPTURED")
