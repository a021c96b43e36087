"""Who is believed to be YooKassa, and what its notifications are taken for."""

import json
from typing import Any

import pytest

from billing.errors import InvalidMessage
from billing.messages import Observation
from billing.vocabulary import OperationStatus, OperationType, PaymentStatus
from providers.base import CallbackRejected
from providers.yookassa import PLUGIN
from providers.yookassa.settings import YooKassaCallbackSettings
from providers.yookassa.webhook import PUBLISHED, WebhookVerifier, parse

PAYMENT = "2f1c7a5e-000f-5000-8000-1c0d3b6e9a11"
OURS = "7f000000-0000-4000-8000-000000000001"


def a_notification(event: str = "payment.succeeded", **changes: Any) -> bytes:
    about = {"id": PAYMENT, "status": "succeeded", "metadata": {"operation_id": OURS}} | changes
    return json.dumps({"type": "notification", "event": event, "object": about}).encode()


@pytest.mark.parametrize(
    "peer",
    [
        "185.71.76.1",
        "185.71.77.31",
        "77.75.153.127",
        "77.75.156.11",
        "77.75.154.128",
        "2a02:5180::1",
        "::ffff:185.71.76.1",
    ],
)
async def test_a_notification_from_a_published_address_is_stored_under_its_payment(peer):
    verified = await WebhookVerifier(PUBLISHED).verify({}, a_notification(), peer)
    assert verified.order_ref == PAYMENT


@pytest.mark.parametrize(
    "peer",
    [
        "185.71.76.32",
        "77.75.153.128",
        "77.75.156.12",
        "127.0.0.1",
        "2a02:5181::1",
        "::ffff:127.0.0.1",
        "testclient",
        "",
        None,
    ],
)
async def test_a_notification_from_anywhere_else_is_refused(peer):
    with pytest.raises(CallbackRejected) as rejected:
        await WebhookVerifier(PUBLISHED).verify({"x-forwarded-for": "185.71.76.1"}, a_notification(), peer)
    assert rejected.value.status == 403


async def test_a_setting_replaces_the_list():
    provider = PLUGIN.verifier(YooKassaCallbackSettings(addresses=["127.0.0.0/8"]))
    assert (await provider.verify({}, a_notification(), "127.0.0.1")).order_ref == PAYMENT
    with pytest.raises(CallbackRejected):
        await provider.verify({}, a_notification(), "185.71.76.1")


def test_a_list_that_is_not_one_of_addresses_is_refused_at_the_start():
    with pytest.raises(ValueError, match="yookassa.ru"):
        PLUGIN.verifier(YooKassaCallbackSettings(addresses=["yookassa.ru"]))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"type":"list"}', b"[" * 3000, b'{"a":' * 3000])
async def test_what_is_no_notification_is_refused_with_the_reason(body):
    with pytest.raises(CallbackRejected) as rejected:
        await WebhookVerifier(PUBLISHED).verify({}, body, "185.71.76.1")
    assert rejected.value.status == 400
    assert json.loads(rejected.value.body)["error"].startswith("not a notification: ")


@pytest.mark.parametrize("around", [b"\xef\xbb\xbf%s", b" \r\n%s\r\n"], ids=["byte order mark", "white space"])
async def test_what_stands_around_the_json_does_no_harm(around):
    body = around % a_notification()
    assert (await WebhookVerifier(PUBLISHED).verify({}, body, "185.71.76.1")).order_ref == PAYMENT
    assert parse(body).references == (PAYMENT, OURS)


@pytest.mark.parametrize("object", [{}, {"id": None}, {"id": 1}])
async def test_a_notification_that_cannot_be_read_is_stored_and_set_aside_by_the_worker(object):
    body = json.dumps({"type": "notification", "event": "payment.succeeded", "object": object}).encode()
    assert (await WebhookVerifier(PUBLISHED).verify({}, body, "185.71.76.1")).order_ref == ""
    with pytest.raises(InvalidMessage, match="object"):
        parse(body)


@pytest.mark.parametrize("metadata", [None, {}, {"operation_id": None}, {"operation_id": 1, "other": [True]}])
def test_a_notification_may_lack_our_name(metadata):
    assert parse(a_notification(metadata=metadata)).references == (PAYMENT,)


def test_a_notification_says_only_that_there_is_news():
    said = parse(a_notification())
    assert (said.ask, said.observed, said.claimed) == (True, Observation(), None)
    assert (said.references, said.dedupe) == ((PAYMENT, OURS), f"payment.succeeded/{PAYMENT}")


def test_a_refund_is_news_of_its_payment():
    body = a_notification("refund.succeeded", id="refund-1", payment_id=PAYMENT, metadata=None)
    said = parse(body)
    assert (said.references, said.dedupe) == ((PAYMENT,), "refund.succeeded/refund-1")


AMOUNT = {"value": "599.00", "currency": "RUB"}


def test_what_it_says_of_the_payment_is_kept_apart_to_see_whether_it_is_news():
    said = parse(a_notification(amount=AMOUNT, refunded_amount={"value": "0.00", "currency": "RUB"}))
    assert (said.ask, said.observed) == (True, Observation())
    assert said.claimed == Observation(
        PaymentStatus.CAPTURED, captured=59_900, refunded=0, currency="RUB", order_ref=PAYMENT
    )


def test_what_it_says_of_a_refund_is_kept_apart():
    refund = {"id": "re-1", "payment_id": PAYMENT, "created_at": "2026-11-29T09:00:00Z", "amount": AMOUNT}
    said = parse(a_notification("refund.succeeded", **refund))
    (operation,) = said.claimed.operations
    assert (operation.type, operation.status, operation.amount) == (
        OperationType.REFUND,
        OperationStatus.SUCCESS,
        59_900,
    )
    assert (str(operation.operation_id), operation.provider_ref) == (OURS, "re-1")


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": {"value": "599.001", "currency": "RUB"}},
        {"amount": {"value": "many", "currency": "RUB"}},
        {"amount": AMOUNT, "status": "another"},
        {"amount": AMOUNT, "payment_method": {"id": "a", "saved": True, "title": "a\0b"}},
    ],
)
def test_where_what_it_says_cannot_be_read_the_provider_is_asked(changes):
    said = parse(a_notification(**changes))
    assert (said.ask, said.claimed) == (True, None)


@pytest.mark.parametrize("body", [b"{", a_notification("payment_method.active"), a_notification("payout.succeeded")])
def test_what_is_not_about_a_payment_cannot_be_understood(body):
    with pytest.raises(InvalidMessage):
        parse(body)


async def test_without_a_setting_the_published_list_holds():
    verified = await PLUGIN.verifier(YooKassaCallbackSettings()).verify({}, a_notification(), "77.75.156.35")
    assert verified.order_ref == PAYMENT
