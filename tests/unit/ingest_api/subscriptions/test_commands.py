"""What a shop sees when it cancels, keeps, pays or extends a subscription."""

from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from billing.messages.subscription_commands import CancelSubscription, ExtendPeriod, MethodRemoved, PayNow
from billing.subscriptions.decide import decide
from billing.subscriptions.vocabulary import Status
from tests.support.ingest_fakes import NOW
from tests.support.subscription_shop import ID, PATH, Shop


async def test_a_cancellation_says_until_when_access_stays(shop: Shop) -> None:
    await shop.active()
    answer = await shop.act("cancel", {"comment": "too few films"})

    assert (answer.status, answer.headers["Location"]) == (200, PATH)
    told = answer.json
    assert (told["refunded"], told["currency"]) == (0, "RUB")
    assert told["ends_at"] == told["access_until"] == told["subscription"]["cancel_at"] == "2026-04-01T12:00:00Z"
    assert (told["subscription"]["status"], told["subscription"]["cancel_reason"]) == ("ACTIVE", "cancelled")


async def test_a_cancellation_at_once_gives_back_what_the_price_says(shop: Shop) -> None:
    await shop.active()
    told = (await shop.act("cancel", {"when": "NOW"})).json

    assert (told["refunded"], told["access_until"]) == (39900, None)
    assert (told["subscription"]["status"], told["subscription"]["end_reason"]) == ("ENDED", "cancelled")


async def test_a_repeated_cancellation_says_again_what_is_given_back(shop: Shop) -> None:
    await shop.active()
    first = await shop.act("cancel", {"when": "NOW"}, Idempotency_Key="once")
    again = await shop.act("cancel", {"when": "NOW"}, Idempotency_Key="once")

    assert again.json["refunded"] == first.json["refunded"] == 39900
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_a_preview_is_what_the_cancellation_then_does_and_changes_nothing(shop: Shop) -> None:
    await shop.active()
    before, stored = shop.subscription, len(shop.world.writer.records)
    seen = (await shop.world.command("POST", f"{PATH}/cancel/preview", {"when": "NOW"}, Idempotency_Key=None)).json

    assert shop.subscription is before
    assert len(shop.world.writer.records) == stored
    done = (await shop.act("cancel", {"when": "NOW"})).json
    assert (seen["refunded"], seen["ends_at"], seen["access_until"]) == (
        done["refunded"],
        done["ends_at"],
        done["access_until"],
    )
    assert seen["subscription"] is None


async def test_a_cancellation_is_taken_back(shop: Shop) -> None:
    await shop.active()
    await shop.act("cancel")
    told = (await shop.act("keep")).json
    assert (told["status"], told["cancel_at"]) == ("ACTIVE", None)


async def test_a_declined_renewal_is_paid_on_a_page(shop: Shop) -> None:
    await shop.overdue()
    urls = {"success": "https://cinema.example/a", "failure": "https://cinema.example/b"}
    answer = await shop.act("pay", {"return_urls": urls})

    assert answer.status == 200
    payment = answer.json["latest_payment"]
    assert (payment["purpose"], payment["payment_url"]) == ("PAY", f"https://pay.example/{payment['id']}")
    command = shop.world.writer.messages[-1]
    assert isinstance(command, PayNow)
    assert (command.provider, command.payment_ttl_s) == ("yandex-pay", shop.world.settings.payment_ttl_s)


async def test_a_page_that_is_not_there_yet_is_202(shop: Shop) -> None:
    await shop.overdue()
    shop.world.deciding_subscriptions()
    answer = await shop.act("pay", {}, Prefer="wait=0.01")
    assert (answer.status, answer.json) == (202, {"id": str(ID)})


async def test_support_extends_the_period(shop: Shop) -> None:
    await shop.active()
    answer = await shop.act("extend", {"until": "2026-05-01T15:00:00+03:00", "reason": "an outage"})

    assert answer.json["current_period"]["end_at"] == "2026-05-01T12:00:00Z"
    command = shop.world.writer.messages[-1]
    assert isinstance(command, ExtendPeriod)
    assert (command.operator, command.reason) == ("client:site", "an outage")


async def test_to_extend_needs_the_scope_admin(shop: Shop) -> None:
    await shop.active()
    await shop.key_with("writer", "subscriptions:write")
    body = {"until": "2026-05-01T15:00:00Z", "reason": "an outage"}
    answer = await shop.act("extend", body, Authorization="Bearer writer")
    answer.is_problem(403, "forbidden")
    assert answer.json["scope"] == "admin"


async def test_a_command_without_a_wait_is_stored_and_202(shop: Shop) -> None:
    await shop.active()
    shop.world.writer.on_store = None
    answer = await shop.act("cancel", {}, Prefer="respond-async")

    assert (answer.status, answer.json, answer.headers["Location"]) == (202, {"id": str(ID)}, PATH)
    assert isinstance(shop.world.writer.messages[-1], CancelSubscription)


async def test_a_command_to_a_subscription_with_a_test_clock_carries_its_time(shop: Shop) -> None:
    await shop.active()
    clock = shop.world.test_clocks.keep(NOW + timedelta(days=3))
    shop.keep(msgspec.structs.replace(shop.subscription, clock_id=clock))
    await shop.act("cancel")

    command = shop.world.writer.messages[-1]
    assert isinstance(command, CancelSubscription)
    assert command.at == NOW + timedelta(days=3)


@pytest.mark.parametrize("path", [PATH, f"/v1/subscriptions/{UUID(int=1)}", "/v1/subscriptions/none"])
async def test_another_clients_subscription_does_not_exist(shop: Shop, path: str) -> None:
    await shop.active()
    other = {"Authorization": "Bearer shop-key-1"}
    (await shop.world.get(path, **other)).is_problem(404, "subscription-not-found")
    (await shop.post(f"{path}/cancel", {}, **other)).is_problem(404, "subscription-not-found")


# Each refusal of billing/subscriptions/commands.py has its problem, also with respond-async, and leaves no trace.


async def refused(shop: Shop, name: str, body: dict[str, object], status: int, code: str) -> None:
    before = len(shop.world.writer.records)
    for prefer in ("wait=5", "respond-async"):
        (await shop.act(name, body, Prefer=prefer)).is_problem(status, code)
    assert len(shop.world.writer.records) == before


async def test_nothing_is_due(shop: Shop) -> None:
    await shop.active()
    await refused(shop, "pay", {}, 409, "nothing-due")


async def test_a_charge_is_open(shop: Shop) -> None:
    await shop.charged()
    assert shop.subscription.status is Status.PAST_DUE
    await refused(shop, "pay", {}, 409, "charge-open")


async def test_there_is_no_cancellation_to_take_back(shop: Shop) -> None:
    await shop.active()
    await refused(shop, "keep", {}, 409, "subscription-not-cancelled")


async def test_a_subscription_without_a_method_is_not_kept(shop: Shop) -> None:
    await shop.active()
    method = shop.subscription.method
    assert method is not None
    decision = decide(shop.subscription, MethodRemoved(ID, method_id=method.id, at=NOW), NOW)
    assert decision.subscription is not None
    shop.keep(decision.subscription)
    await refused(shop, "keep", {}, 409, "no-method")


async def test_a_subscription_that_has_ended_is_not_cancelled(shop: Shop) -> None:
    await shop.active()
    await shop.act("cancel", {"when": "NOW"})
    await refused(shop, "cancel", {}, 409, "subscription-ended")


async def test_a_subscription_that_has_ended_is_not_extended(shop: Shop) -> None:
    await shop.active()
    await shop.act("cancel", {"when": "NOW"})
    body = {"until": "2026-05-01T12:00:00Z", "reason": "an outage"}
    await refused(shop, "extend", body, 409, "subscription-not-extendable")


async def test_the_new_end_lies_behind_the_present_one(shop: Shop) -> None:
    await shop.active()
    body = {"until": "2026-03-05T12:00:00Z", "reason": "an outage"}
    await refused(shop, "extend", body, 422, "invalid-end")


async def test_the_same_key_for_another_command(shop: Shop) -> None:
    await shop.active()
    await shop.act("cancel", {}, Idempotency_Key="once")
    (await shop.act("cancel", {"when": "NOW"}, Idempotency_Key="once")).is_problem(422, "idempotency-key-reused")
    (await shop.act("keep", {}, Idempotency_Key="once")).is_problem(422, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("name", "body", "pointer"),
    [
        ("cancel", {"when": "LATER"}, "/when"),
        ("cancel", {"refund": "FULL"}, ""),
        ("cancel", {"comment": "x" * 251}, "/comment"),
        ("cancel", {"reason": "no"}, "/reason"),
        ("keep", {"now": True}, "/now"),
        ("pay", {"return_urls": {"success": "javascript:x", "failure": "https://a.example"}}, "/return_urls/success"),
        ("extend", {"until": "2026-05-01T12:00:00", "reason": "x"}, "/until"),
        ("extend", {"until": "2026-05-01T12:00:00Z"}, "/reason"),
    ],
)
async def test_bad_input_leaves_no_trace(shop: Shop, name: str, body: dict[str, object], pointer: str) -> None:
    await shop.active()
    before = len(shop.world.writer.records)
    answer = await shop.act(name, body)

    answer.is_problem(422, "invalid-request")
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]
    assert len(shop.world.writer.records) == before
