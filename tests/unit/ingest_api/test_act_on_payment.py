"""What a shop sees when it captures, voids, refunds or cancels."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from billing.messages import CapturePayment, ProviderResult, RefundPayment, RollbackPayment, VoidPayment
from billing.payments.decide import decide
from billing.payments.model import Payment
from billing.vocabulary import Action, Outcome
from ingest_api.payments import submit
from tests.support.factories import NOW, authorized, captured, unpaid

REASON = {"reason": "changed their mind"}
ACTIONS: list[tuple[str, Any, Any, type, Action]] = [
    ("capture", authorized, {}, CapturePayment, Action.CAPTURE),
    ("void", authorized, REASON, VoidPayment, Action.VOID),
    ("refund", captured, REASON, RefundPayment, Action.REFUND),
    ("cancel", unpaid, REASON, RollbackPayment, Action.ROLLBACK),
]
EACH = pytest.mark.parametrize(("name", "payment", "body", "command", "action"), ACTIONS, ids=[a[0] for a in ACTIONS])


@EACH
async def test_an_accepted_command_is_in_kafka_before_the_answer(world, name, payment, body, command, action) -> None:
    id = world.keep(payment())
    answer = await world.act(id, name, body)

    assert answer.status == 202
    (sent,) = world.writer.messages
    assert (type(sent), sent.payment_id) == (command, id)
    result = answer.json
    assert (result["id"], result["payment_id"], result["status"]) == (str(sent.operation_id), str(id), "PENDING")
    assert (result["amount"], result["payment"]) == (59_900, None)
    assert answer.headers["Location"] == f"/v1/payments/{id}/operations/{sent.operation_id}"
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Preference-Applied"] == "respond-async"
    assert world.writer.records[0].key == str(id).encode()


@EACH
async def test_a_command_that_a_running_worker_does_not_know_yet_is_not_accepted(
    world, name, payment, body, command, action, monkeypatch
) -> None:
    id = world.keep(payment())
    monkeypatch.setattr(submit, "BASELINE_TYPES", submit.BASELINE_TYPES - {command.TYPE})
    world.reads.not_understood.add(command.TYPE)
    answer = await world.act(id, name, body)
    answer.is_problem(503, "upgrade-in-progress")
    assert answer.headers["Retry-After"] == "1"
    assert world.writer.records == []

    world.reads.not_understood.clear()
    assert (await world.act(id, name, body)).status == 202
    assert len(world.writer.records) == 1


@EACH
async def test_a_waiting_caller_gets_the_outcome_and_the_payment_after_it(
    world, name, payment, body, command, action
) -> None:
    kept: Payment = payment()
    world.keep(kept)
    operation = (await world.act(kept.id, name, body)).json["id"]
    result = ProviderResult(kept.id, UUID(operation), kept.provider, action, Outcome.SUCCEEDED)
    world.deciding(result)
    answer = await world.act(kept.id, name, body, Prefer="wait=5")

    assert (answer.status, answer.json["id"], answer.json["status"]) == (200, operation, "SUCCESS")
    expected = {"capture": "CAPTURED", "void": "VOIDED", "refund": "REFUNDED", "cancel": "FAILED"}
    assert answer.json["payment"]["status"] == expected[name]
    assert answer.headers["Preference-Applied"] == "wait=5"
    assert "Retry-After" not in answer.headers


@EACH
async def test_a_repeat_is_answered_from_the_committed_payment_and_another_body_is_refused(
    world, name, payment, body, command, action
) -> None:
    id = world.keep(payment())
    world.deciding()
    await world.act(id, name, body)
    before = len(world.writer.records)

    repeat = await world.act(id, name, body)
    assert (repeat.status, repeat.json["status"], repeat.json["payment"]["id"]) == (202, "PENDING", str(id))
    assert repeat.headers["Idempotent-Replayed"] == "true"

    other = {"amount": 59_900} if name == "capture" else {"reason": "another"}
    (await world.act(id, name, other)).is_problem(422, "idempotency-key-reused")
    assert len(world.writer.records) == before


@EACH
async def test_a_repeat_that_waits_gets_the_outcome_of_the_first(world, name, payment, body, command, action) -> None:
    kept: Payment = payment()
    world.keep(kept)
    world.deciding()
    first = await world.act(kept.id, name, body)
    repeat = asyncio.create_task(world.act(kept.id, name, body, Prefer="wait=5"))
    seen = world.reads.reads
    while world.reads.reads < seen + 2:
        await asyncio.sleep(0)
    result = ProviderResult(kept.id, UUID(first.json["id"]), kept.provider, action, Outcome.SUCCEEDED)
    decision = decide(world.reads.payments_of[kept.id], result, NOW)
    assert decision.payment is not None
    world.keep(decision.payment)
    answer = await repeat

    assert (answer.status, answer.json["status"]) == (200, "SUCCESS")
    assert answer.headers["Preference-Applied"] == "wait=5"


@EACH
async def test_another_clients_payment_is_not_there(world, name, payment, body, command, action) -> None:
    id = world.keep(payment())

    (await world.act(id, name, body, Authorization="Bearer shop-key-1")).is_problem(404, "payment-not-found")
    (await world.act(uuid4(), name, body)).is_problem(404, "payment-not-found")
    assert world.writer.records == []


@EACH
async def test_what_every_command_needs(world, name, payment, body, command, action) -> None:
    id = world.keep(payment())

    (await world.act(id, name, body, Idempotency_Key=None)).is_problem(400, "invalid-idempotency-key")
    (await world.act(id, name, body, Authorization=None)).is_problem(401, "unauthorized")
    (await world.act(id, name, body, Content_Type="text/plain")).is_problem(415, "unsupported-media-type")
    (await world.act(id, name, {**body, "unknown": 1})).is_problem(422, "invalid-request")
    world.writer.unavailable = True
    (await world.act(id, name, body)).is_problem(503, "service-unavailable")
    assert world.writer.records == []


async def test_the_same_key_at_another_url_is_refused(world) -> None:
    id = world.keep(unpaid())
    world.deciding()
    await world.act(id, "cancel", REASON)

    (await world.act(id, "void", REASON)).is_problem(422, "idempotency-key-reused")


def part(total: int) -> dict[str, Any]:
    return {"items": [{"product_id": "film-1", "title": "Film", "quantity": 1, "unit_price": total}]}


def lines(*quantities: int) -> dict[str, Any]:
    items = [{"product_id": f"film-{n}", "quantity": quantity} for n, quantity in enumerate(quantities, 1)]
    return {**REASON, "items": items}


@pytest.mark.parametrize(
    ("name", "payment", "body", "status", "problem"),
    [
        ("capture", unpaid, {}, 409, "payment-not-authorized"),
        ("capture", captured, {}, 409, "payment-not-authorized"),
        ("capture", authorized, {"amount": 59_901, "cart": part(59_901)}, 409, "amount-exceeds-authorized"),
        ("capture", authorized, {"amount": 100}, 422, "cart-required"),
        ("capture", authorized, {"amount": 100, "cart": part(99)}, 422, "cart-total-mismatch"),
        ("void", captured, REASON, 409, "payment-not-authorized"),
        ("void", authorized, {"reason": ""}, 422, "invalid-request"),
        ("void", authorized, {"reason": " "}, 422, "invalid-request"),
        ("capture", authorized, {"amount": None}, 422, "invalid-request"),
        ("capture", authorized, {"cart": None}, 422, "invalid-request"),
        ("refund", unpaid, REASON, 409, "payment-not-captured"),
        ("refund", captured, {**REASON, "amount": 59_901}, 409, "amount-exceeds-refundable"),
        ("refund", captured, lines(2), 409, "items-not-refundable"),
        ("refund", captured, {**lines(1), "amount": 59_900}, 422, "invalid-request"),
        ("refund", captured, {**REASON, "amount": 0}, 422, "invalid-request"),
        ("refund", captured, {**REASON, "amount": None}, 422, "invalid-request"),
        ("refund", captured, {**REASON, "items": []}, 422, "invalid-request"),
        ("refund", captured, {**REASON, "items": None}, 422, "invalid-request"),
        ("cancel", authorized, REASON, 409, "payment-already-paid"),
        ("cancel", captured, REASON, 409, "payment-already-paid"),
    ],
)
async def test_what_the_committed_payment_does_not_allow_is_refused_at_once(
    world, name: str, payment: Any, body: Any, status: int, problem: str
) -> None:
    (await world.act(world.keep(payment()), name, body)).is_problem(status, problem)
    assert world.writer.records == []


@pytest.mark.parametrize(("name", "payment"), [("void", authorized), ("refund", captured), ("cancel", unpaid)])
async def test_a_reason_can_be_left_out(world, name: str, payment: Any) -> None:
    answer = await world.act(world.keep(payment()), name, {})

    assert (answer.status, answer.json["reason"]) == (202, None)
    assert world.writer.messages[0].reason == ""


async def test_a_capture_under_way_holds_up_another(world) -> None:
    id = world.keep(authorized())
    world.deciding()
    await world.act(id, "capture", {})

    (await world.act(id, "void", REASON, Idempotency_Key="other")).is_problem(409, "operation-in-progress")


async def test_what_the_agent_refuses_later_reaches_the_waiting_caller(world) -> None:
    id = world.keep(captured())

    def another_was_faster(command: Any) -> None:
        world.refuse(command, "amount_exceeds_refundable", "0 is left")

    world.writer.on_store = another_was_faster
    answer = await world.act(id, "refund", REASON, Prefer="wait=5")

    answer.is_problem(409, "amount-exceeds-refundable")
    assert answer.json["detail"] == "0 is left"


async def test_a_refund_of_items_carries_them(world) -> None:
    await world.act(world.keep(captured()), "refund", lines(1))

    (sent,) = world.writer.messages
    assert [(line.product_id, line.quantity) for line in sent.items] == [("film-1", 1)]
    assert (sent.amount, sent.reason) == (None, "changed their mind")
