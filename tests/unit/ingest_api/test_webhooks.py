"""What a provider sees when it calls back."""

import hashlib

PATH = "/webhooks/yandex-pay/v1/webhook"
BODY = b"header.payload.signature"


async def test_a_verified_callback_is_in_kafka_before_the_answer(world) -> None:
    answer = await world.callback(BODY, **{"X-Signature": "good", "Content-Type": "application/octet-stream"})

    assert (answer.status, answer.raw) == (200, b'{"status":"success"}')
    (record,) = world.writer.records
    assert (record.topic, record.key, record.value) == ("billing.provider.callbacks", b"order-1", BODY)
    assert record.headers == {
        "ce_specversion": b"1.0",
        "ce_id": f"yandex-pay/{hashlib.sha256(BODY).hexdigest()}".encode(),
        "ce_type": b"billing.provider.callback.received.v1",
        "ce_source": b"/webhooks/yandex-pay",
        "ce_time": b"2026-03-01T12:00:00+00:00",
        "provider": b"yandex-pay",
        "content-type": b"application/octet-stream",
    }


async def test_an_unsigned_callback_is_refused_as_the_provider_asks(world) -> None:
    answer = await world.callback(BODY)

    assert (answer.status, answer.json["reasonCode"]) == (403, "FORBIDDEN")
    assert world.writer.records == []


async def test_a_badly_signed_callback_is_refused(world) -> None:
    answer = await world.callback(BODY, **{"X-Signature": "forged"})

    assert answer.status == 403
    assert world.writer.records == []


async def test_a_callback_of_64_kib_is_stored_whole(world) -> None:
    body = b"x" * (64 * 1024)
    answer = await world.callback(body, **{"X-Signature": "good"})

    assert answer.status == 200
    assert len(world.writer.records) == 1


async def test_a_callback_over_64_kib_is_refused_before_it_is_checked(world) -> None:
    answer = await world.callback(b"x" * (64 * 1024 + 1), **{"X-Signature": "good"})

    answer.is_problem(413, "body-too-large")
    assert world.writer.records == []


async def test_a_callback_is_to_be_sent_again_when_the_broker_is_unavailable(world) -> None:
    world.writer.unavailable = True
    answer = await world.callback(BODY, **{"X-Signature": "good"})

    answer.is_problem(503, "service-unavailable")
    assert answer.headers["Retry-After"] == "1"


async def test_a_provider_that_is_not_set_up_has_no_webhook(world) -> None:
    assert (await world.send("POST", "/webhooks/bank/v1/webhook", body=BODY)).status == 404
