"""Which saved method a subscription is charged with, and what becomes of it when the method is removed."""

from uuid import UUID

import msgspec
import pytest

from billing.messages.subscription_commands import MethodRemoved, Subscribe
from billing.vocabulary import MethodStatus
from tests.support.ingest_fakes import METHOD, a_method
from tests.support.subscription_shop import ID, PATH, Shop, subscribe_body


async def test_a_saved_method_is_charged_instead_of_opening_a_page(shop: Shop) -> None:
    shop.world.methods.keep(a_method())
    await shop.subscribe(provider=None, payment_method_id=str(METHOD))
    command = shop.world.writer.messages[-1]
    assert isinstance(command, Subscribe)
    assert command.method is not None
    assert (command.method.id, command.method.ref, command.provider) == (METHOD, "ref-1", "yandex-pay")


async def test_a_method_that_the_customer_does_not_have(shop: Shop) -> None:
    shop.world.methods.keep(a_method(customer_id="c-2"))
    answer = await shop.subscribe(provider=None, payment_method_id=str(METHOD))
    answer.is_problem(422, "unknown-payment-method")
    shop.world.methods.keep(a_method(status=MethodStatus.DEAD))
    (await shop.subscribe(provider=None, payment_method_id=str(METHOD))).is_problem(409, "payment-method-removed")
    (await shop.subscribe(payment_method_id=str(METHOD))).is_problem(422, "invalid-request")
    assert shop.world.writer.records == []


async def change(shop: Shop, **headers: str) -> object:
    given = {"Idempotency_Key": "change", "Prefer": "wait=5"} | headers
    return await shop.world.command("PUT", f"{PATH}/method", {"payment_method_id": str(METHOD)}, **given)


async def test_another_method_is_charged_from_now_on(shop: Shop) -> None:
    await shop.active()
    shop.world.methods.keep(a_method())
    answer = await change(shop)
    assert answer.json["payment_method"]["id"] == str(METHOD)  # type: ignore[attr-defined]


async def test_a_declined_renewal_is_charged_with_the_new_method_at_once(shop: Shop) -> None:
    await shop.overdue()
    shop.world.methods.keep(a_method())
    answer = await change(shop)
    assert answer.status == 200  # type: ignore[attr-defined]
    assert answer.json["latest_payment"]["purpose"] == "RENEWAL"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kept", "status", "code"),
    [
        ({"status": MethodStatus.REMOVED}, 409, "payment-method-removed"),
        ({"customer_id": "c-2"}, 422, "unknown-payment-method"),
        ({"provider": "gone"}, 422, "unknown-provider"),
    ],
)
async def test_a_method_that_cannot_be_charged_is_not_taken(
    shop: Shop, kept: dict[str, str], status: int, code: str
) -> None:
    await shop.active()
    shop.world.methods.keep(a_method(**kept))
    before = len(shop.world.writer.records)
    (await change(shop)).is_problem(status, code)  # type: ignore[attr-defined]
    assert len(shop.world.writer.records) == before


async def test_the_end_of_a_method_is_told_to_each_subscription_and_again_by_a_repeat(shop: Shop) -> None:
    await shop.active()
    method = shop.subscription.method
    assert method is not None
    shop.world.methods.keep(a_method(id=method.id))
    shop.keep(msgspec.structs.replace(shop.subscription, id=UUID(int=9)))
    for _ in range(2):
        before = len(shop.world.writer.messages)
        path = f"/v1/payment-methods/{method.id}"
        answer = await shop.world.send("DELETE", path, [("Authorization", "Bearer site-key-1")])
        assert answer.status == 204
        told = shop.world.writer.messages[before:]
        if before == 1:
            assert {m.subject_id for m in told if isinstance(m, MethodRemoved)} == {ID, UUID(int=9)}
    assert shop.subscription.cancel is not None


async def test_without_kafka_the_method_is_removed_and_a_repeat_tells_the_subscriptions(shop: Shop) -> None:
    await shop.active()
    method = shop.subscription.method
    assert method is not None
    shop.world.methods.keep(a_method(id=method.id))
    path, headers = f"/v1/payment-methods/{method.id}", [("Authorization", "Bearer site-key-1")]
    shop.world.writer.unavailable = True
    assert (await shop.world.send("DELETE", path, headers)).status == 503
    assert shop.world.methods.kept[method.id].status is MethodStatus.REMOVED
    shop.world.writer.unavailable = False
    assert (await shop.world.send("DELETE", path, headers)).status == 204
    assert shop.subscription.cancel is not None
    assert (await shop.post("/v1/subscriptions", subscribe_body())).status == 409
