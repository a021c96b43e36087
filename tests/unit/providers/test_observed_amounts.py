"""The amounts, currency and times that each adapter reads from an answer about an order."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from billing.messages import Books, Observation
from billing.vocabulary import Action, CaptureMode, PaymentStatus
from providers.stripe import responses as stripe
from providers.stripe.objects import PaymentIntent
from providers.stripe.objects import Refund as StripeRefund
from providers.tbank import responses as tbank
from providers.yandex_pay import responses as yandex_pay
from providers.yookassa import responses as yookassa
from tests.support.factories import an_order
from tests.support.sandbox import a_request


def amounts(observed: Observation | None) -> tuple[int | None, int | None, int | None, str | None]:
    assert observed is not None
    return observed.authorized, observed.captured, observed.refunded, observed.currency


def roubles(value: str) -> dict[str, str]:
    return {"value": value, "currency": "RUB"}


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"status": "pending"}, (None, 0, 0, "RUB")),
        ({"status": "waiting_for_capture"}, (30_000, 0, 0, "RUB")),
        ({"status": "succeeded", "amount": roubles("180.00")}, (None, 18_000, 0, "RUB")),
        ({"status": "succeeded", "refunded_amount": roubles("120.00")}, (None, 30_000, 12_000, "RUB")),
        ({"status": "succeeded", "amount": {"value": "300.00", "currency": "USD"}}, (None, 30_000, 0, "USD")),
    ],
)
def test_yookassa(fields: dict[str, Any], wanted: tuple[object, ...]):
    payment = msgspec.convert({"id": "p", "amount": roubles("300.00"), **fields}, yookassa.Payment)
    assert amounts(yookassa.observation(payment, ())) == wanted


def test_yookassa_s_hold_has_an_end():
    fields = {"id": "p", "amount": roubles("300.00"), "expires_at": "2026-11-30T12:00:00.000Z"}
    held = msgspec.convert({**fields, "status": "waiting_for_capture"}, yookassa.Payment)
    assert yookassa.observation(held, ()).hold_until == datetime(2026, 11, 30, 12, tzinfo=UTC)
    taken = msgspec.convert({**fields, "status": "succeeded"}, yookassa.Payment)
    assert yookassa.observation(taken, ()).hold_until is None


@pytest.mark.parametrize(
    ("fields", "refunds", "wanted"),
    [
        ({"status": "requires_capture", "amount_capturable": 30_000}, (), (30_000, 0, 0, "RUB")),
        ({"status": "succeeded", "amount_received": 18_000}, (), (None, 18_000, 0, "RUB")),
        ({"status": "succeeded", "amount_received": 30_000}, (12_000,), (None, 30_000, 12_000, "RUB")),
        ({"status": "succeeded", "amount_received": 30_000}, None, (None, 30_000, None, "RUB")),
    ],
)
def test_stripe(fields: dict[str, Any], refunds: tuple[int, ...] | None, wanted: tuple[object, ...]):
    intent = msgspec.convert({"id": "pi_1", "object": "payment_intent", "currency": "rub", **fields}, PaymentIntent)
    made = None
    if refunds is not None:
        made = [StripeRefund(id=f"re_{n}", object="refund", status="succeeded", amount=n) for n in refunds]
    assert amounts(stripe.observation(None, intent, made)) == wanted


HELD, REFUNDED = datetime(2026, 11, 27, 12, tzinfo=UTC), datetime(2026, 11, 27, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "refunds", "wanted"),
    [
        ({"status": "requires_capture", "capture_method": "manual"}, [], HELD),
        ({"status": "succeeded", "capture_method": "automatic"}, [], HELD),
        ({"status": "succeeded", "capture_method": "automatic"}, [HELD, REFUNDED, HELD], REFUNDED),
        ({"status": "succeeded", "capture_method": "manual"}, [], None),
        ({"status": "succeeded", "capture_method": "manual"}, [REFUNDED], REFUNDED),
        ({"status": "succeeded", "capture_method": "automatic", "latest_charge": "ch_1"}, [], None),
        ({"status": "canceled", "canceled_at": int(REFUNDED.timestamp())}, [], REFUNDED),
        ({"status": "processing", "latest_charge": None}, [], None),
    ],
    ids=[
        "held", "captured at once", "refunded", "a hold captured: not said", "a hold captured and refunded",
        "the charge is not shown", "released", "nothing yet",
    ],
)  # fmt: skip
def test_stripe_s_time_is_that_of_the_charge_the_newest_refund_or_the_release(
    fields: dict[str, Any], refunds: list[datetime], wanted: datetime | None
):
    charge = {"id": "ch_1", "created": int(HELD.timestamp())}
    said = {"id": "pi_1", "object": "payment_intent", "latest_charge": charge, **fields}
    made = [
        StripeRefund(id="re_1", object="refund", status="succeeded", amount=1, created=int(at.timestamp()))
        for at in refunds
    ]
    assert stripe.observation(None, msgspec.convert(said, PaymentIntent), made).at == wanted


def test_tbank_says_no_time():
    answer = tbank.Answer(success=True, error_code="0", status="CONFIRMED", amount=30_000)
    request = a_request(Action.INQUIRE, an_order(30_000), order_ref="1")
    observed = tbank.inquired(answer, "1", request).observed
    assert observed is not None
    assert observed.at is None


BOOKS = Books(PaymentStatus.CAPTURED, 30_000, 18_000, 0)


@pytest.mark.parametrize(
    ("status", "amount", "mode", "books", "wanted"),
    [
        ("AUTHORIZED", 30_000, CaptureMode.TWO_STAGE, None, (30_000, None, None, None)),
        ("CONFIRMED", 18_000, CaptureMode.TWO_STAGE, None, (None, 18_000, 0, None)),
        ("PARTIAL_REFUNDED", 6_000, CaptureMode.TWO_STAGE, BOOKS, (None, 18_000, 12_000, None)),
        ("PARTIAL_REFUNDED", 18_000, CaptureMode.ONE_STAGE, None, (None, 30_000, 12_000, None)),
        ("PARTIAL_REFUNDED", 18_000, CaptureMode.TWO_STAGE, None, (None, None, None, None)),
        ("REFUNDED", 30_000, CaptureMode.ONE_STAGE, BOOKS, (None, None, None, None)),
    ],
)
def test_tbank_states_what_is_left(
    status: str, amount: int, mode: CaptureMode, books: Books | None, wanted: tuple[object, ...]
):
    answer = tbank.Answer(success=True, error_code="0", status=status, amount=amount)
    request = a_request(Action.INQUIRE, an_order(30_000), order_ref="1", capture_mode=mode, books=books)
    assert amounts(tbank.inquired(answer, "1", request).observed) == wanted


@pytest.mark.parametrize(("before", "after", "is_made"), [(700, 400, True), (400, 400, False), (700, 500, False)])
def test_a_refund_at_tbank_is_made_by_the_call_that_lowered_the_amount_by_it(before: int, after: int, is_made: bool):
    answer = tbank.Answer(
        success=True, error_code="0", status="PARTIAL_REFUNDED", original_amount=before, new_amount=after
    )
    # 1000 by our books: 300 were refunded in the console before, unheard of.
    request = a_request(Action.REFUND, order_ref="1", amount=300, refundable_before=1000)
    assert (tbank.refunded(request, answer).outcome == "SUCCEEDED") is is_made


def an_operation(type: str, amount: str, status: str = "SUCCESS") -> dict[str, str]:
    return {"operationType": type, "operationId": "1", "status": status, "amount": amount}


AUTHORIZED, TAKEN = an_operation("AUTHORIZE", "300.00"), an_operation("CAPTURE", "180.00")


@pytest.mark.parametrize(
    ("status", "operations", "wanted"),
    [
        ("AUTHORIZED", [AUTHORIZED], (None, None, 0, "RUB")),
        ("CAPTURED", [AUTHORIZED, TAKEN], (None, 18_000, 0, "RUB")),
        ("CAPTURED", [AUTHORIZED], (None, None, 0, "RUB")),
        ("CAPTURED", [an_operation("RECURRING", "300.00")], (None, 30_000, 0, "RUB")),
        ("PARTIALLY_REFUNDED", [TAKEN, an_operation("REFUND", "120.00")], (None, 18_000, 12_000, "RUB")),
        ("CAPTURED", [TAKEN, an_operation("REFUND", "120.00", "PENDING")], (None, 18_000, 0, "RUB")),
        ("FAILED", [TAKEN, an_operation("REFUND", "180.00")], (None, 18_000, 18_000, "RUB")),
        ("REFUNDED", [TAKEN], (None, 18_000, None, "RUB")),
        ("CAPTURED", [], (None, None, None, "RUB")),
    ],
)
def test_yandex_pay(status: str, operations: list[dict[str, str]], wanted: tuple[object, ...]):
    said = {"order": {"paymentStatus": status, "currencyCode": "RUB"}, "operations": operations}
    data = msgspec.convert(said, yandex_pay.Data)
    assert amounts(yandex_pay.inquired(data, a_request(Action.INQUIRE)).observed) == wanted
