"""What a shop sees when it opens a payment."""

import asyncio
import copy
import re
import time
from typing import Any
from uuid import UUID

import msgspec
import pytest

from billing.messages import decode_envelope
from billing.vocabulary import CaptureMode, ItemType, PaymentStatus, Tax
from ingest_api.edge.idempotency import RecentKeys
from tests.support.factories import unpaid


async def test_an_accepted_command_is_in_kafka_before_the_answer(world, body) -> None:
    answer = await world.create(body)

    assert answer.status == 202
    (command,) = world.writer.commands
    payment_id = str(command.payment_id)
    assert answer.json == {"id": payment_id, "status": "PENDING", "payment_url": None}
    assert answer.headers["Location"] == f"/v1/payments/{payment_id}"
    assert answer.headers["Preference-Applied"] == "respond-async"
    assert answer.headers["Retry-After"] == "1"


async def test_the_command_carries_the_whole_order(world, body) -> None:
    body["cart"]["items"][0]["receipt"] = {"subject": 10, "method": 1, "measure": 255}
    body["capture_mode"] = "TWO_STAGE"
    await world.create(body)

    (command,) = world.writer.commands
    order = command.order
    order.check()
    assert (command.client_id, command.provider, command.capture_mode) == ("site", "yandex-pay", CaptureMode.TWO_STAGE)
    assert (order.customer_id, order.currency, order.amount) == ("c-1842", "RUB", 129700)
    first, second = order.cart.items
    assert (first.product_id, first.title, first.quantity, first.unit_price) == ("film-77", "Сталкер", 1, 49900)
    assert (first.type, first.tax, first.subject, first.method, first.measure) == (
        ItemType.DIGITAL, Tax.VAT_20, 10, 1, 255,
    )  # fmt: skip
    assert (second.tax, second.subject, second.method, second.measure) == (Tax.NONE, 4, 4, 0)
    assert (order.return_urls.success, order.return_urls.failure) == tuple(body["return_urls"].values())
    assert (order.contact.email, order.contact.phone) == ("viewer@example.com", "+79001234567")
    assert order.metadata == {"campaign": "spring"}
    assert command.payment_ttl_s == world.settings.payment_ttl_s
    assert command.reply_to is None


@pytest.mark.parametrize(
    "contact",
    [
        {"email": "o'neil+tickets@mail.example.co.uk"},
        {"email": "Viewer@EXAMPLE.COM"},
        {"email": "зритель@пример.рф"},
        {"email": '"first.last"@example.com'},
        {"phone": "+12025550123"},
        {"phone": "+390612345678"},
        {"phone": "+80012345678"},
    ],
)
async def test_contacts_of_the_whole_world_reach_the_receipt_as_they_were_sent(world, body, contact) -> None:
    assert (await world.create({**body, "contact": contact})).status == 202

    sent = world.writer.commands[0].order.contact
    assert (sent.email, sent.phone) == (contact.get("email"), contact.get("phone"))


async def test_the_envelope_names_the_payment_the_client_and_the_trace(world, body) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = await world.create(body, traceparent=trace)

    (record,) = world.writer.records
    envelope = decode_envelope(record.value)
    payment_id = envelope.subject
    assert record.topic == "billing.payments.inbox"
    assert record.key == payment_id.encode()
    assert (envelope.id, envelope.source, envelope.actor) == (f"{payment_id}/create", "/v1/payments", "client:site")
    assert envelope.traceparent == trace
    assert answer.headers["traceparent"] == trace


@pytest.mark.parametrize("sent", [{}, {"traceparent": "nonsense"}], ids=["none", "one that is none"])
async def test_without_a_trace_of_the_client_one_begins_here(world, body, sent) -> None:
    answer = await world.create(body, **sent)

    traceparent = decode_envelope(world.writer.records[0].value).traceparent
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", traceparent)
    assert answer.headers["traceparent"] == traceparent


async def test_trade_codes_and_device_numbers_are_no_card_numbers(world, body) -> None:
    body["cart"]["items"][0]["product_id"] = "4607071000036"
    body["metadata"] = {"imei": "354707071000036", "barcode": "4607071000036"}

    assert (await world.create(body)).status == 202


async def test_a_repeat_reaches_the_same_payment_with_the_same_fingerprint(world, body) -> None:
    await world.create(body)
    respelled = {key: body[key] for key in reversed(body)}
    respelled["cart"]["items"][1].pop("type")  # DIGITAL is the default
    await world.create(respelled)

    first, repeat = world.writer.commands
    assert (first.payment_id, first.order.id, first.fingerprint) == (
        repeat.payment_id, repeat.order.id, repeat.fingerprint,
    )  # fmt: skip


async def test_a_repeat_says_that_it_is_one(world, serve, body) -> None:
    assert "Idempotent-Replayed" not in (await world.create(body)).headers
    assert (await world.create(body)).headers["Idempotent-Replayed"] == "true"

    async with serve() as another:  # it never saw the first: the payments agent's reply says so
        another.replying(replayed=True)
        assert (await another.create(body, Prefer="wait=5")).headers["Idempotent-Replayed"] == "true"


async def test_a_repeat_that_waits_gets_the_payment_url_of_the_first(world, body) -> None:
    world.replying(replayed=True, payment_url=None)
    repeat = asyncio.create_task(world.create(body, Prefer="wait=5"))
    while world.reads.reads < 2:
        await asyncio.sleep(0)
    (command,) = world.writer.commands
    opened = msgspec.structs.replace(
        unpaid(), id=command.payment_id, client_id="site", payment_url="https://pay.example/7"
    )
    world.keep(opened)
    answer = await repeat

    assert (answer.status, answer.json["payment_url"]) == (201, "https://pay.example/7")
    assert answer.headers["Preference-Applied"] == "wait=5"


async def test_a_repeat_waits_no_longer_than_it_prefers(world, body) -> None:
    world.replying(replayed=True, payment_url=None)
    began = time.monotonic()
    answer = await world.create(body, Prefer="wait=1")

    assert (answer.status, answer.json["payment_url"]) == (202, None)
    assert time.monotonic() - began >= 1


async def test_another_body_with_the_same_key_is_refused_without_waiting_for_the_agent(world, body) -> None:
    other = copy.deepcopy(body)
    other["metadata"]["campaign"] = "summer"
    assert (await world.create(body)).status == 202

    (await world.create(other)).is_problem(422, "idempotency-key-reused")
    assert (await world.create(body)).status == 202, "a repeat is none"
    assert len(world.writer.commands) == 2


async def test_a_command_that_was_not_stored_does_not_take_its_key(world, body) -> None:
    world.writer.unavailable = True
    assert (await world.create({**body, "metadata": {}})).status == 503
    world.writer.unavailable = False

    assert (await world.create(body)).status == 202


async def test_another_body_at_another_process_is_for_the_agent_to_refuse(world, serve, body) -> None:
    async with serve() as another:
        another.key = world.key
        other = {**body, "metadata": {}}
        await world.create(body)
        assert (await another.create(other)).status == 202

    (first,), (second,) = world.writer.commands, another.writer.commands
    assert first.payment_id == second.payment_id
    assert first.fingerprint != second.fingerprint


def test_only_so_many_keys_are_remembered() -> None:
    recent = RecentKeys(limit=2)
    ids = [UUID(int=n) for n in range(3)]
    for id in ids:
        recent.remember(id, "a")

    assert [recent.conflicts(id, "b") for id in ids] == [False, True, True]


async def test_another_client_with_the_same_key_gets_another_payment(world, body) -> None:
    await world.create(body)
    await world.create(body, Authorization="Bearer shop-key-1")

    first, second = world.writer.commands
    assert first.payment_id != second.payment_id
    assert (first.client_id, second.client_id) == ("site", "shop")


async def test_a_reply_in_time_is_answered_with_the_payment_and_its_url(world, body) -> None:
    world.replying()
    answer = await world.create(body, Prefer=None)

    (command,) = world.writer.commands
    assert answer.status == 201
    assert answer.headers["Location"] == f"/v1/payments/{command.payment_id}"
    assert "Preference-Applied" not in answer.headers
    payment = answer.json
    assert payment["id"] == str(command.payment_id)
    assert payment["payment_url"] == "https://pay.example/1"
    assert payment["created_at"] == "2026-03-01T12:00:00Z"
    assert set(payment) == {
        "id", "status", "version", "amount", "currency", "authorized", "captured", "refunded", "charged_back", "provider",
        "capture_mode", "customer_id", "order_id", "payment_url", "items", "operations", "metadata", "reason", "created_at",
        "updated_at",
    }  # fmt: skip
    assert command.reply_to.partition == 3


async def test_a_preferred_wait_is_honoured_within_the_limit(world, body) -> None:
    world.replying()
    assert (await world.create(body, Prefer="wait=2")).headers["Preference-Applied"] == "wait=2"
    assert (await world.create(body, Prefer="wait=3600")).headers["Preference-Applied"] == "wait=30"


async def test_a_final_payment_without_a_url_is_answered_with_201(world, body) -> None:
    world.replying(payment_url=None, status=PaymentStatus.FAILED, reason="declined")
    answer = await world.create(body, Prefer="wait=5")

    assert (answer.status, answer.json["status"], answer.json["reason"]) == (201, "FAILED", "declined")


async def test_a_reply_without_a_url_yet_is_answered_with_202(world, body) -> None:
    world.replying(payment_url=None)
    answer = await world.create(body, Prefer="wait=5")

    assert (answer.status, answer.json["status"], answer.json["version"]) == (202, "PENDING", 2)
    assert answer.headers["Retry-After"] == "1"


async def test_a_late_reply_is_answered_with_202(serve, body) -> None:
    async with serve(wait_default_s=0.05) as world:
        answer = await world.create(body, Prefer=None)

        assert (answer.status, answer.json["status"]) == (202, "PENDING")
        assert len(world.waiting) == 0
        assert world.writer.commands[0].reply_to is not None


async def test_no_request_waits_before_replies_are_consumed(world, body) -> None:
    world.replies.partition = None
    answer = await world.create(body, Prefer="wait=20")

    assert answer.status == 202
    assert "Preference-Applied" not in answer.headers
    assert world.writer.commands[0].reply_to is None


@pytest.mark.parametrize(
    ("code", "status", "problem"),
    [
        ("idempotency_key_reused", 422, "idempotency-key-reused"),
        ("invalid_order", 422, "invalid-order"),
        ("not_capturable", 409, "command-refused"),
    ],
)
async def test_a_refusal_becomes_its_problem(world, body, code: str, status: int, problem: str) -> None:
    world.refusing(code, "because")
    answer = await world.create(body, Prefer="wait=5")

    answer.is_problem(status, problem)
    assert answer.json["detail"] == "because"


async def test_many_wait_at_once_and_each_gets_its_own_payment(world, body) -> None:
    def request(number: int) -> Any:
        return world.create({**body, "customer_id": f"c-{number}"}, Idempotency_Key=f"many-{number}", Prefer="wait=20")

    world.replying()
    answers = await asyncio.gather(*(request(number) for number in range(150)))

    assert {answer.status for answer in answers} == {201}
    assert [answer.json["customer_id"] for answer in answers] == [f"c-{number}" for number in range(150)]
    assert len(world.waiting) == 0


async def test_when_all_places_are_taken_the_command_is_accepted_without_waiting(world, body, eventually) -> None:
    requests = [
        asyncio.create_task(world.create(body, Idempotency_Key=f"k-{number}", Prefer="wait=20"))
        for number in range(200)
    ]
    await eventually(lambda: len(world.waiting) == 200)

    answer = await world.create(body, Idempotency_Key="one-more", Prefer="wait=20")

    assert answer.status == 202
    assert "Preference-Applied" not in answer.headers
    for request in requests:
        request.cancel()
    await eventually(lambda: len(world.waiting) == 0)


async def test_an_unavailable_broker_is_a_503_with_retry_after(world, body) -> None:
    world.writer.unavailable = True
    answer = await world.create(body, Prefer="wait=20")

    answer.is_problem(503, "service-unavailable")
    assert answer.headers["Retry-After"] == "1"
    assert world.writer.records == []
    assert len(world.waiting) == 0


async def test_the_same_key_eight_times_at_once_is_one_payment(world, body) -> None:
    answers = await asyncio.gather(*(world.create(body) for _ in range(8)))

    assert {answer.status for answer in answers} == {202}
    assert len({command.payment_id for command in world.writer.commands}) == 1
    assert len({command.fingerprint for command in world.writer.commands}) == 1


async def test_a_key_of_255_characters_is_taken_and_case_counts(world, body) -> None:
    for key in ("k" * 255, "abc", "ABC"):
        assert (await world.create(body, Idempotency_Key=key)).status == 202

    assert len({command.payment_id for command in world.writer.commands}) == 3


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_of_a_key_has_no_case(world, body, scheme: str) -> None:
    assert (await world.create(body, Authorization=f"{scheme} site-key-1")).status == 202


@pytest.mark.parametrize("amount", [1, 2**31 - 1, 2**31, 10**12])
async def test_an_amount_is_taken_exactly(world, body, amount: int) -> None:
    body["amount"] = amount
    body["cart"]["items"] = [{**body["cart"]["items"][0], "unit_price": amount, "quantity": 1}]

    assert (await world.create(body)).status == 202
    assert world.writer.commands[0].order.amount == amount
