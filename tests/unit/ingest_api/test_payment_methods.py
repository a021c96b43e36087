"""Saved methods over REST: saved and charged by payments, listed, read and removed."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from billing.messages import WithdrawCharge, decode_envelope
from billing.messages.subscription_commands import MethodRemoved
from billing.messages.topics import SUBSCRIPTIONS
from billing.vocabulary import MethodStatus
from ingest_api.edge import idempotency
from ingest_api.problems import unavailable
from storage.saved_methods import StoredMethod
from tests.support.factories import unpaid
from tests.support.ingest_fakes import METHOD, a_method
from tests.support.ingest_server import SHOP_KEY, SITE_KEY
from tests.support.subscriptions import active

OWN = {"Authorization": f"Bearer {SITE_KEY}"}


def charging(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    kept = {name: value for name, value in body.items() if name != "provider"}
    return {**kept, "payment_method_id": str(METHOD), **changes}


async def test_a_payment_can_save_its_method(world, body) -> None:
    assert (await world.create({**body, "save_method": True})).status == 202
    (command,) = world.writer.commands
    assert (command.save_method, command.saved_method) == (True, None)


async def test_a_saved_method_is_charged_at_its_provider(world, body) -> None:
    world.methods.keep(a_method())
    assert (await world.create(charging(body))).status == 202
    (command,) = world.writer.commands
    assert (command.provider, command.saved_method, command.alternatives) == ("yandex-pay", "ref-1", ())
    assert command.save_method is False


@pytest.mark.parametrize(
    "other", [None, a_method(customer_id="c-2"), a_method(client_id="shop")], ids=["none", "customer", "client"]
)
async def test_a_method_that_is_not_the_customers_is_refused(world, body, other: StoredMethod | None) -> None:
    if other is not None:
        world.methods.keep(other)
    (await world.create(charging(body))).is_problem(422, "unknown-payment-method")
    assert world.writer.commands == []


@pytest.mark.parametrize("status", [MethodStatus.REMOVED, MethodStatus.DEAD])
async def test_a_removed_method_is_refused(world, body, status: MethodStatus) -> None:
    world.methods.keep(a_method(status=status))
    (await world.create(charging(body))).is_problem(409, "payment-method-removed")
    assert world.writer.commands == []


async def test_a_repeat_after_the_removal_reaches_its_payment(world, body) -> None:
    world.methods.keep(a_method(status=MethodStatus.REMOVED))
    id = idempotency.payment_id("site", world.key)
    world.keep(msgspec.structs.replace(unpaid(), id=id, client_id="site"))
    assert (await world.create(charging(body))).status == 202
    assert [command.payment_id for command in world.writer.commands] == [id]


@pytest.mark.parametrize(
    "other",
    [
        {"provider": "yookassa"},
        {"country": "RU"},
        {"method": "sbp"},
        {"save_method": True},
        {"capture_mode": "TWO_STAGE"},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_a_saved_method_leaves_nothing_to_choose(world, body, other: dict[str, Any]) -> None:
    world.methods.keep(a_method())
    (await world.create(charging(body, **other))).is_problem(422, "invalid-request")


@pytest.mark.parametrize("saves", [True, False])
async def test_nothing_is_saved_or_charged_while_a_worker_keeps_no_methods(world, body, saves: bool) -> None:
    world.methods.keep(a_method())
    world.reads.not_understood.add(WithdrawCharge.TYPE)
    answer = await world.create({**body, "save_method": True} if saves else charging(body))
    answer.is_problem(503, "upgrade-in-progress")
    assert world.writer.commands == []


async def test_without_postgres_a_saved_method_is_not_charged(world, body) -> None:
    world.methods.error = unavailable("payment methods cannot be read now")
    (await world.create(charging(body))).is_problem(503, "service-unavailable")
    assert world.writer.commands == []


async def test_a_customers_methods_are_listed_without_what_the_provider_calls_them(world) -> None:
    world.methods.keep(a_method())
    world.methods.keep(a_method(id=UUID(int=6), status=MethodStatus.REMOVED))
    world.methods.keep(a_method(id=UUID(int=7), customer_id="c-2"))
    answer = await world.get("/v1/customers/c-1842/payment-methods", **OWN)
    assert answer.status == 200
    (shown,) = answer.json["data"]
    assert shown == {
        "id": str(METHOD),
        "customer_id": "c-1842",
        "provider": "yandex-pay",
        "title": "Mir *4242",
        "expires_on": None,
        "status": "ACTIVE",
        "reason": None,
        "created_at": "2026-03-01T12:00:00Z",
        "updated_at": "2026-03-01T12:00:00Z",
    }


async def test_a_method_is_read_by_its_own_client_only(world) -> None:
    world.methods.keep(a_method(status=MethodStatus.REMOVED))
    path = f"/v1/payment-methods/{METHOD}"
    answer = await world.get(path, **OWN)
    assert (answer.status, answer.json["status"]) == (200, "REMOVED")
    assert (await world.get(path, **OWN, **{"If-None-Match": answer.headers["ETag"]})).status == 304
    stranger = [("Authorization", f"Bearer {SHOP_KEY}")]
    (await world.send("GET", path, stranger)).is_problem(404, "payment-method-not-found")


async def test_a_method_is_removed_once_and_the_answer_is_the_same(world) -> None:
    world.methods.keep(a_method())
    for _ in range(2):
        answer = await world.send("DELETE", f"/v1/payment-methods/{METHOD}", world.headers().items())
        assert (answer.status, answer.raw) == (204, b"")
        assert world.methods.kept[METHOD].status is MethodStatus.REMOVED


async def test_the_subscriptions_of_a_removed_method_get_to_know_it_by_a_repeat_too(world) -> None:
    world.methods.keep(a_method())
    charged = active().subscription
    assert charged.method is not None
    charged = msgspec.structs.replace(charged, method=msgspec.structs.replace(charged.method, id=METHOD))
    world.subscriptions.kept[charged.id] = charged
    for number in (1, 2):
        answer = await world.send("DELETE", f"/v1/payment-methods/{METHOD}", world.headers().items())
        assert answer.status == 204
        told = [(topic, command.method_id) for topic, command in removals(world)]
        assert told == [(SUBSCRIPTIONS.name, METHOD)] * number


def removals(world) -> list[tuple[str, MethodRemoved]]:
    stored = [(record.topic, decode_envelope(record.value).open()) for record in world.writer.records]
    return [(topic, command) for topic, command in stored if isinstance(command, MethodRemoved)]


async def test_a_method_that_is_not_there_cannot_be_removed(world) -> None:
    world.methods.keep(a_method(client_id="shop"))
    for id in (METHOD, UUID(int=9)):
        answer = await world.send("DELETE", f"/v1/payment-methods/{id}", world.headers().items())
        answer.is_problem(404, "payment-method-not-found")
    assert world.methods.kept[METHOD].status is MethodStatus.ACTIVE


async def test_removal_needs_the_scope_to_write(world) -> None:
    (await world.send("DELETE", f"/v1/payment-methods/{METHOD}")).is_problem(401, "unauthorized")


async def test_a_removal_that_is_not_in_postgres_is_not_answered_with_success(world) -> None:
    world.methods.error = unavailable("payment methods cannot be read now")
    answer = await world.send("DELETE", f"/v1/payment-methods/{METHOD}", world.headers().items())
    answer.is_problem(503, "service-unavailable")
