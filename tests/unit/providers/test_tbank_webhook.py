"""T-Bank's tokens and notifications: what is believed, and what it says."""

import hashlib
import json
from typing import Any

import pytest

from billing.errors import InvalidMessage
from billing.vocabulary import PaymentStatus
from providers.base import CallbackRejected, VerifiedCallback
from providers.tbank.responses import PARTLY_REFUNDED, STATUSES
from providers.tbank.tokens import token
from providers.tbank.webhook import WebhookVerifier, parse

TERMINAL, PASSWORD = "TinkoffBankTest", "TinkoffBankTest"


async def verify(body: bytes, password: str = PASSWORD) -> VerifiedCallback:
    return await WebhookVerifier(TERMINAL, password).verify({}, body)


def notification(password: str = PASSWORD, **fields: Any) -> bytes:
    told = {
        "TerminalKey": TERMINAL,
        "OrderId": "21050",
        "Success": True,
        "Status": "CONFIRMED",
        "PaymentId": 13660,
        "ErrorCode": "0",
        "Amount": 100000,
        "Data": {"nested": "does not count"},
    } | fields
    told.setdefault("Token", token(told, password))
    return json.dumps(told).encode()


def test_the_token_is_the_hash_of_the_values_in_the_order_of_their_names():
    fields = {
        "TerminalKey": "MerchantTerminalKey",
        "Amount": 19200,
        "OrderId": "00000",
        "Success": True,
        "Data": {"a": 1},
        "Items": [1],
        "Nothing": None,
        "Token": "theirs",
    }
    joined = "19200" + "00000" + "11111111111111" + "true" + "MerchantTerminalKey"
    assert token(fields, "11111111111111") == hashlib.sha256(joined.encode()).hexdigest()


async def test_a_signed_notification_is_acknowledged_by_ok():
    verified = await verify(notification())
    assert (verified.order_ref, verified.response, verified.response_type) == ("21050", b"OK", "text/plain")


async def test_a_token_in_capitals_is_the_same_token():
    told = json.loads(notification())
    body = json.dumps({**told, "Token": told["Token"].upper()}).encode()
    assert await verify(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"a":' * 3000,
        b'{"a":' * 3000 + b"1" + b"}" * 3000,
        notification(Token=""),
        notification(Token=None),
        notification(Token="0" * 64),
        notification("wrong password"),
        notification("guessed", Password="guessed"),
        notification(Token=json.loads(notification())["Token"], Amount=100),
        notification(Token=json.loads(notification())["Token"], Status="REFUNDED"),
        notification(TerminalKey="AnotherTerminal"),
    ],
    ids=[
        "empty", "a list", "no fields", "nested and cut", "nested", "empty token", "no token", "forged", "re-keyed",
        "its own password", "another amount",
        "another status", "another terminal",
    ],
)  # fmt: skip
async def test_what_is_not_signed_by_tbank_is_refused(body):
    with pytest.raises(CallbackRejected) as caught:
        await verify(body)
    assert caught.value.status == 403


async def test_without_a_password_nothing_is_believed():
    with pytest.raises(CallbackRejected):
        await verify(notification(""), "")


@pytest.mark.parametrize(("status", "told"), sorted((s, t) for s, t in STATUSES.items() if s != PARTLY_REFUNDED))
def test_a_notification_tells_how_the_payment_stands(status, told):
    parsed = parse(notification(Status=status))
    assert (parsed.observed.status, parsed.references) == (told, ("21050", "13660"))
    assert (parsed.observed.reason is not None) is (told is PaymentStatus.FAILED)


def test_a_partial_refund_shows_what_is_left_and_not_which_it_was_so_it_is_asked_about():
    parsed = parse(notification(Status=PARTLY_REFUNDED, Amount=5_000))
    assert (parsed.ask, parsed.observed.status, parsed.observed.refunded) == (True, None, None)


@pytest.mark.parametrize(
    ("status", "authorized", "captured"),
    [("AUTHORIZED", 10_000, None), ("CONFIRMED", None, 10_000), ("REVERSED", None, None), ("REJECTED", None, None)],
)
def test_a_notification_states_what_is_held_or_captured(status: str, authorized: int | None, captured: int | None):
    observed = parse(notification(Status=status, Amount=10_000)).observed
    assert (observed.authorized, observed.captured, observed.refunded) == (authorized, captured, None)


def test_a_status_we_do_not_know_says_nothing():
    assert parse(notification(Status="TO_BE_INVENTED")).observed.status is None


def test_a_rejected_payment_tells_why():
    parsed = parse(notification(Status="REJECTED", ErrorCode="1051", Success=False))
    assert parsed.observed.reason == "insufficient_funds"


@pytest.mark.parametrize("rebill", [145919, "145919"])
def test_a_saved_method_is_named(rebill):
    assert parse(notification(RebillId=rebill)).observed.method_ref == "145919"


def test_a_saved_card_is_shown_by_its_last_digits_and_its_last_month():
    seen = parse(notification(RebillId=1, Pan="430000******0777", ExpDate="1230")).observed
    assert (seen.method_title, seen.method_expires) == ("Card *0777", "2030-12")
    odd = parse(notification(RebillId=1, Pan="hidden", ExpDate="12/30")).observed
    assert (odd.method_title, odd.method_expires) == (None, None)
    unsaved = parse(notification(Pan="430000******0777", ExpDate="1230")).observed
    assert (unsaved.method_title, unsaved.method_expires) == (None, None)


def test_a_repeat_is_known_and_another_status_is_another_event():
    first, again, other = (parse(notification(Status=s)).dedupe for s in ("CONFIRMED", "CONFIRMED", "AUTHORIZED"))
    assert first == again != other


@pytest.mark.parametrize("body", [b"", b"{}", b'{"Status":1}'])
def test_what_cannot_be_read_is_set_aside(body):
    with pytest.raises(InvalidMessage):
        parse(body)


ADD_CARD = {
    "TerminalKey": TERMINAL, "CustomerKey": "customer-1", "RequestKey": "13021e10-a3ed-4f14-bcd1-823b5ac37390",
    "Success": True, "Status": "COMPLETED", "PaymentId": 13660, "ErrorCode": "0", "RebillId": "3207469334",
    "CardId": "10452089", "Pan": "430000******0777", "ExpDate": "0229",
}  # fmt: skip
QR = {
    "TerminalKey": TERMINAL, "RequestKey": "13021e10-a3ed-4f14-bcd1-823b5ac37390", "AccountToken": "70LSS7DN18SJQRS",
    "NotificationType": "LINKACCOUNT", "Success": True, "ErrorCode": "0", "Status": "ACTIVE",
}  # fmt: skip


@pytest.mark.parametrize(("fields", "kind"), [(ADD_CARD, "AddCard"), (QR, "LINKACCOUNT")])
async def test_a_notification_of_another_kind_is_acknowledged_and_set_aside_by_name(fields, kind):
    body = json.dumps({**fields, "Token": token(fields, PASSWORD)}).encode()
    assert (await verify(body)).response == b"OK"
    with pytest.raises(InvalidMessage, match=kind):
        parse(body)


async def test_a_notification_about_a_receipt_concerns_no_payment():
    body = notification(Status="RECEIPT", Receipt={"Items": []}, FiscalNumber=1)
    assert (await verify(body)).response == b"OK"
    assert parse(body).references == ()


@pytest.mark.parametrize("around", [b"\xef\xbb\xbf%s", b"\r\n %s \r\n"])
async def test_what_stands_around_the_json_does_no_harm(around):
    body = around % notification()
    assert (await verify(body)).order_ref == "21050"
    assert parse(body).references == ("21050", "13660")
