"""What the T-Bank adapter makes of each answer."""

import json
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from billing.orders import Cart, Contact, Item
from billing.vocabulary import Action, Outcome, PaymentStatus
from providers.http import CallLimits
from providers.tbank import TBank
from providers.tbank.responses import Answer, refused
from providers.tbank.settings import TBankSettings
from providers.tbank.tokens import is_signed
from tests.support.factories import an_order
from tests.support.sandbox import a_request


class Bank:
    """A T-Bank that gives prepared answers by method, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, tuple[int, bytes]] = {}

    async def handle(self, request: web.Request) -> web.Response:
        method = request.path.rpartition("/")[2]
        self.asked.append((method, await request.json()))
        status, body = self.answers[method]
        return web.Response(status=status, body=body)

    def says(self, method: str, status: int = 200, **fields: Any) -> None:
        answer = {"Success": True, "ErrorCode": "0", "PaymentId": "100"} | fields
        self.answers[method] = (status, json.dumps(answer).encode())


@pytest.fixture
async def bank():
    return Bank()


@pytest.fixture
async def adapter(bank):
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", bank.handle)
    server = TestServer(app)
    await server.start_server()
    settings = TBankSettings(url=str(server.make_url("/")), terminal_key="terminal", password=SecretStr("password"))
    adapter = TBank(settings, CallLimits(15.0, 64))
    await adapter.start()
    yield adapter
    await adapter.close()
    await server.close()


@pytest.mark.parametrize(
    ("action", "method", "status", "outcome"),
    [
        (Action.CAPTURE, "Confirm", "CONFIRMED", Outcome.SUCCEEDED),
        (Action.CAPTURE, "Confirm", "CONFIRMING", Outcome.PENDING),
        (Action.VOID, "Cancel", "REVERSED", Outcome.SUCCEEDED),
        (Action.VOID, "Cancel", "REVERSING", Outcome.PENDING),
        (Action.REFUND, "Cancel", "REFUNDED", Outcome.SUCCEEDED),
        (Action.REFUND, "Cancel", "PARTIAL_REFUNDED", Outcome.UNKNOWN),
        (Action.REFUND, "Cancel", "ASYNC_REFUNDING", Outcome.UNKNOWN),
        (Action.REFUND, "Cancel", "TO_BE_INVENTED", Outcome.UNKNOWN),
    ],
)
async def test_an_operation_ends_as_the_payments_status_says(adapter, bank, action, method, status, outcome):
    bank.says(method, Status=status)
    request = a_request(action, order_ref="100")
    assert (await adapter.perform(request)).outcome is outcome
    ((_, asked),) = bank.asked
    assert (asked["TerminalKey"], asked["PaymentId"]) == ("terminal", "100")
    assert is_signed(asked, "password")
    assert asked.get("ExternalRequestId", str(request.operation_id)) == str(request.operation_id)


async def test_of_a_slow_refund_of_the_whole_we_shall_be_told(adapter, bank):
    bank.says("Cancel", Status="ASYNC_REFUNDING", NewAmount=300)
    result = await adapter.perform(a_request(Action.REFUND, order_ref="100", amount=300, refundable_before=300))
    assert result.outcome is Outcome.PENDING


@pytest.mark.parametrize(
    ("kept", "under_way", "new_amount", "is_made"),
    [
        (1000, (), 700, True),
        (1000, (), 1000, False),  # not made
        (1000, (), 600, False),  # somebody gave back something else
        (1000, (200,), 500, True),  # both were made
        (1000, (200,), 800, False),  # the other one was
        (1000, (200,), 700, True),  # this one was, and the other not
        (1000, (300,), 700, False),  # one of the two
        (1000, (300,), 400, True),
        (1000, (100, 200), 700, False),  # this one, or the other two
        (1000, (100, 200), 400, True),
        (9000, tuple(range(1, 20)), 8510, True),  # so many are told apart only when all are made
        (9000, tuple(range(1, 20)), 8700, False),
        (None, (), 700, False),  # a request of an earlier release
        (1000, (), None, False),
    ],
)
async def test_a_refund_of_a_part_is_made_when_what_is_kept_can_mean_nothing_else(
    adapter, bank, kept, under_way, new_amount, is_made
):
    bank.says("Cancel", Status="PARTIAL_REFUNDED", **({} if new_amount is None else {"NewAmount": new_amount}))
    request = a_request(
        Action.REFUND, order_ref="100", amount=300, refundable_before=kept, open_refund_amounts=under_way
    )
    result = await adapter.perform(request)
    wanted = (Outcome.SUCCEEDED, None) if is_made else (Outcome.UNKNOWN, "not_told_apart")
    assert (result.outcome, result.reason) == wanted


@pytest.mark.parametrize(
    ("code", "outcome", "reason"),
    [
        ("1051", Outcome.DECLINED, "insufficient_funds"),
        ("8", Outcome.DECLINED, "invalid_state"),
        ("255", Outcome.DECLINED, "order_not_found"),
        ("to be invented", Outcome.DECLINED, "declined"),
        ("204", Outcome.NOT_SENT, "credentials"),
        ("9999", Outcome.UNKNOWN, "provider_trouble"),
    ],
)
def test_a_refusal_is_read_by_its_code(code, outcome, reason):
    result = refused(Answer(success=False, error_code=code, message="No.", details="Why."))
    assert (result.outcome, result.reason) == (outcome, reason)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"Success":true}', b'{"Success":"yes","ErrorCode":"0"}']
)
@pytest.mark.parametrize("action", list(Action))
async def test_an_answer_that_is_not_the_apis_own_leaves_all_open(adapter, bank, action, body):
    bank.answers = dict.fromkeys(("Init", "Confirm", "Cancel", "GetState", "CheckOrder", "Charge"), (200, body))
    request = msgspec.structs.replace(a_request(action, order_ref="100", saved_method="1"), order=an_order(500))
    result = await adapter.perform(request)
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "unreadable_answer")


@pytest.mark.parametrize(
    ("status", "outcome", "reason"),
    [
        (500, Outcome.UNKNOWN, "http_500"),
        (404, Outcome.UNKNOWN, "http_404"),
        (429, Outcome.NOT_SENT, "rate_limited"),
        (403, Outcome.NOT_SENT, "credentials"),
    ],
)
async def test_a_status_that_the_document_does_not_know_decides_nothing(adapter, bank, status, outcome, reason):
    bank.says("Cancel", status, Success=False, ErrorCode="1051")
    result = await adapter.perform(a_request(Action.REFUND, order_ref="100"))
    assert (result.outcome, result.reason) == (outcome, reason)


@pytest.mark.parametrize("lacks", ["PaymentId", "PaymentURL"])
async def test_a_payment_without_its_name_or_its_page_is_not_open(adapter, bank, lacks):
    bank.says("Init", **({"PaymentURL": "https://p"} | {lacks: None}))
    result = await adapter.perform(a_request())
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "unreadable_answer")


async def test_of_an_orders_payments_the_one_that_was_begun_counts(adapter, bank):
    payments = [{"PaymentId": "1", "Status": "NEW"}, {"PaymentId": "2", "Status": "CONFIRMED"}]
    bank.says("CheckOrder", Payments=payments)
    bank.says("GetState", Status="CONFIRMED", PaymentId="2")
    observed = (await adapter.perform(a_request(Action.INQUIRE))).observed
    assert observed is not None
    assert (observed.status, observed.order_ref) == (PaymentStatus.CAPTURED, "2")


async def test_a_charge_under_way_is_not_made_again(adapter, bank):
    bank.says("CheckOrder", Payments=[{"PaymentId": "2", "Status": "AUTHORIZING"}])
    bank.says("GetState", Status="AUTHORIZING", PaymentId="2")
    request = msgspec.structs.replace(a_request(Action.RECUR, saved_method="1"), order=an_order(500))
    result = await adapter.perform(request)
    assert (result.outcome, result.provider_ref) == (Outcome.PENDING, "2")
    assert [method for method, _ in bank.asked] == ["CheckOrder", "GetState"]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (Item("film", "Film", 1, 500, subject=20), "unsupported_item"),
        (Item("film", "Film", 1, 500, method=0), "unsupported_item"),
    ],
)
async def test_a_receipt_that_cannot_be_expressed_is_declined_without_a_call(adapter, bank, item, reason):
    order = msgspec.structs.replace(an_order(500), cart=Cart((item,)), contact=Contact(phone="+79001234567"))
    result = await adapter.perform(a_request(order=order))
    assert (result.outcome, result.reason) == (Outcome.DECLINED, reason)
    assert bank.asked == []
