"""What is believed of a webhook, and what is not; and what it says."""

import json
import time
from uuid import UUID

import jwt
import pytest

from billing.errors import InvalidMessage
from billing.vocabulary import OperationStatus, OperationType, PaymentStatus
from providers.yandex_pay.webhook import LEEWAY_S, VALID_S, parse
from tests.support.signed_tokens import NOW, Provider, rejection

_DEEP = jwt.utils.base64url_encode(b'{"a":' * 3000 + b"1" + b"}" * 3000) + b".e30.c2ln"


async def test_a_token_signed_by_the_provider_is_believed(provider, verifier):
    verified = await verifier.verify({}, provider.token())
    assert (verified.order_ref, verified.response) == ("order-1", b'{"status":"success"}')


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"exp": NOW - 31}, "expired"),
        ({"iat": NOW + 31, "exp": NOW + 300}, "future"),
        ({"iat": None}, "missing"),
        ({"iat": "yesterday"}, "not a time"),
        ({"exp": True}, "not a time"),
        ({"exp": None, "iat": NOW - VALID_S - LEEWAY_S - 1}, "expired"),
        ({"iat": str(NOW), "exp": str(NOW - 31)}, "expired"),
        ({"typ": "JOSE"}, "type"),
        ({"payload": {"merchantId": "another"}}, "merchant"),
    ],
)
async def test_a_true_signature_is_not_enough(provider, verifier, changes, why):
    rejected = await rejection(verifier, provider.token(**changes))
    assert rejected.status == 403
    assert why in rejected.reason
    assert json.loads(rejected.body)["reasonCode"] == "FORBIDDEN"


@pytest.mark.parametrize(
    "changes",
    [
        {"iat": str(NOW - 100), "exp": str(NOW + 100)},
        {"exp": None},
        {"iat": str(NOW - VALID_S), "exp": None},
        {"iat": float(NOW), "exp": NOW + 300},
    ],
    ids=["text, as in the contract", "no exp, as in the sample", "text and no exp", "a fraction"],
)
async def test_times_are_numbers_or_text_and_the_end_may_be_missing(provider, verifier, changes):
    assert await verifier.verify({}, provider.token(**changes))


@pytest.mark.parametrize("around", [b"%s\n", b"\r\n%s\r\n", b" %s "])
async def test_white_space_around_a_token_does_no_harm(provider, verifier, around):
    body = around % provider.token()
    assert (await verifier.verify({}, body)).order_ref == "order-1"
    assert parse(body).references == ("order-1",)


@pytest.mark.parametrize("header", [{"crit": ["b64"], "b64": False}, {"b64": False}, {"crit": ["exp"]}])
async def test_a_token_with_critical_extensions_is_refused(provider, verifier, header):
    parts = provider.token().split(b".")
    fields = json.loads(jwt.utils.base64url_decode(parts[0])) | header
    parts[0] = jwt.utils.base64url_encode(json.dumps(fields).encode())
    assert (await rejection(verifier, b".".join(parts))).status == 403


async def test_a_quoted_token_is_refused(provider, verifier):
    assert (await rejection(verifier, b'"%s"' % provider.token())).status == 403


async def test_a_signed_event_that_cannot_be_read_is_stored_and_set_aside_by_the_worker(provider, verifier):
    token = provider.token(payload={"eventTime": "yesterday"})
    assert (await verifier.verify({}, token)).order_ref == ""
    with pytest.raises(InvalidMessage, match="eventTime"):
        parse(token)


@pytest.mark.parametrize("body", [b"", b"garbage", b"a.b.c", _DEEP, b'{"event":"ORDER_STATUS_UPDATED"}', b"\xff" * 64])
async def test_what_is_no_token_is_refused(verifier, body):
    assert (await rejection(verifier, body)).status == 403


async def test_a_token_without_a_signature_or_with_a_shared_secret_is_refused(provider, verifier):
    payload = json.dumps({"event": "X"}).encode()
    unsigned = jwt.PyJWS().encode(payload, None, "none", {"kid": "key-1", "iat": NOW, "exp": NOW + 300})
    shared = jwt.PyJWS().encode(payload, "s" * 32, "HS256", {"kid": "key-1", "iat": NOW, "exp": NOW + 300})
    for token in (unsigned, shared):
        assert "ES256" in (await rejection(verifier, token.encode())).reason


@pytest.mark.parametrize("part", [0, 1, 2], ids=["header", "payload", "signature"])
async def test_a_token_changed_after_signing_is_refused(provider, verifier, part):
    parts, other = (
        provider.token().split(b"."),
        provider.token(payload={"eventTime": "2026-11-24T12:00:00Z"}, exp=NOW + 1),
    )
    parts[part] = other.split(b".")[part]
    assert (await rejection(verifier, b".".join(parts))).reason == "the signature does not match"


async def test_times_in_the_payload_do_not_stand_in_for_those_in_the_header(provider, verifier):
    token = provider.token(payload={"iat": NOW, "exp": NOW + 300}, iat=None, exp=None)
    assert "missing" in (await rejection(verifier, token)).reason


@pytest.mark.parametrize("header", [{"exp": NOW - LEEWAY_S}, {"iat": NOW + LEEWAY_S}], ids=["expired", "issued"])
async def test_clocks_that_differ_a_little_do_no_harm(provider, verifier, header):
    await verifier.verify({}, provider.token(**header))


def test_an_order_event_is_read():
    callback = parse(Provider().token())
    assert callback.references == ("order-1",)
    assert callback.observed.status is PaymentStatus.CAPTURED
    assert callback.dedupe == "ORDER_STATUS_UPDATED/order-1/CAPTURED"


def test_an_operation_event_names_our_operation():
    operation_id = "6b2a9d0e-1c1f-4a53-9a54-5f3c0b7a1d10"
    operation = {
        "operationId": "theirs",
        "operationType": "REFUND",
        "orderId": "order-1",
        "status": "SUCCESS",
        "externalOperationId": operation_id,
    }
    payload = {"event": "OPERATION_STATUS_UPDATED", "operation": operation, "order": None}
    callback = parse(Provider().token(payload=payload))
    (observed,) = callback.observed.operations
    assert (observed.type, observed.status) == (OperationType.REFUND, OperationStatus.SUCCESS)
    assert str(observed.operation_id) == operation_id
    assert callback.references == ("order-1", operation_id)


def test_the_same_event_delivered_again_has_the_same_identity():
    provider = Provider()
    first, again = provider.token(), provider.token(iat=int(time.time()))
    assert first != again
    assert parse(first).dedupe == parse(again).dedupe


@pytest.mark.parametrize(
    "body",
    [
        b"garbage",
        Provider().token(payload={"order": None}),
        Provider().token(payload={"order": {"paymentStatus": "CAPTURED"}}),
        Provider().token(payload={"eventTime": 5}),
    ],
    ids=["no token", "about nothing", "an order without an id", "a time that is none"],
)
def test_an_event_that_cannot_be_read_is_said_so(body):
    with pytest.raises(InvalidMessage):
        parse(body)


def test_a_status_we_do_not_know_is_no_news():
    callback = parse(Provider().token(payload={"order": {"orderId": "order-1", "paymentStatus": "TO_BE_INVENTED"}}))
    assert callback.observed.status is None


def test_operations_that_are_not_ours_or_of_a_newer_kind_are_found_by_their_order():
    operation = {"operationId": "theirs", "orderId": "order-1", "status": "SUCCESS"}
    by_hand = operation | {"operationType": "REFUND", "externalOperationId": "by hand"}
    newer = operation | {"operationType": "TO_BE_INVENTED"}
    first = parse(Provider().token(payload={"operation": by_hand, "order": None}))
    assert first.references == ("order-1", "by hand")
    assert first.observed.operations[0].operation_id is None
    second = parse(Provider().token(payload={"operation": newer, "order": None}))
    assert (second.references, second.observed.operations) == (("order-1",), ())


def test_different_events_have_different_identities():
    def operation(id: int, status: str) -> dict[str, str]:
        return {"operationId": str(UUID(int=id)), "operationType": "REFUND", "orderId": "order-1", "status": status}

    payloads = [
        {},
        {"order": {"orderId": "order-1", "paymentStatus": "REFUNDED"}},
        {"order": {"orderId": "order-2", "paymentStatus": "CAPTURED"}},
        {"order": None, "operation": operation(1, "PENDING")},
        {"order": None, "operation": operation(1, "SUCCESS")},
        {"order": None, "operation": operation(2, "SUCCESS")},
    ]
    assert len({parse(Provider().token(payload=payload)).dedupe for payload in payloads}) == len(payloads)
