"""Lines of YooKassa's lists and of Stripe's balance."""

from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from providers.http import CallLimits
from providers.statements import LineKind, StatementLine, StatementUnavailable
from providers.stripe import Stripe
from providers.stripe.settings import StripeSettings
from providers.stripe.statements import BalanceTransaction, line
from providers.yookassa import YooKassa
from providers.yookassa.settings import YooKassaSettings
from tests.contract.test_statements import DAY

CREATED = 1_795_780_800
CHARGE = {
    "id": "ch_1", "object": "charge", "amount": 10_000, "amount_captured": 10_000, "currency": "rub", "payment_intent": "pi_1",
    "metadata": {"operation": "6f1c2a52-6a4e-4c0f-9f0b-8d6d1a3b7c11"},
}  # fmt: skip
REFUND = {
    "id": "re_1",
    "object": "refund",
    "amount": 6_000,
    "currency": "rub",
    "charge": "ch_1",
    "payment_intent": "pi_1",
}


def a_line(
    category: str | None, amount: int, source: Any = None, *, live: bool | None = True, **fields: Any
) -> StatementLine:
    values = {
        "id": "txn_1", "type": "adjustment", "reporting_category": category, "amount": amount, "fee": 0, "currency": "rub",
        "created": CREATED, "source": source,
    }  # fmt: skip
    return line(msgspec.convert(values | fields, BalanceTransaction), None, live=live)


@pytest.mark.parametrize(
    ("category", "kind"),
    [
        ("charge", "charge"), ("refund", "refund"), ("refund_failure", "refund_undone"), ("dispute", "chargeback"),
        ("dispute_reversal", "chargeback_undone"), ("payout", "payout"), ("payout_reversal", "payout_failed"), ("fee", "fee"),
        ("tax", "fee"), ("network_cost", "fee"), ("risk_reserved_funds", "reserve"), ("other_adjustment", "adjustment"),
        ("climate_order_purchase", "other"),
    ],
)  # fmt: skip
def test_a_category_is_a_kind_and_none_is_dropped(category: str, kind: str) -> None:
    found = a_line(category, -500, "some_1")
    assert (found.kind, found.amount, found.provider_ref, found.raw_type) == (kind, -500, "some_1", category)


@pytest.mark.parametrize(("type", "kind"), [("payment_refund", "refund"), ("stripe_fee", "fee"), ("anything", "other")])
def test_without_a_category_the_type_decides(type: str, kind: str) -> None:
    assert a_line(None, -500, type=type).kind == kind


def test_what_a_partial_capture_releases_lowers_the_charge_and_is_no_refund() -> None:
    taken = a_line("charge", 10_000, CHARGE, type="charge")
    released = a_line("partial_capture_reversal", -6_000, REFUND, type="refund")
    assert (taken.kind, released.kind) == (LineKind.CHARGE, LineKind.CHARGE)
    assert taken.amount + released.amount == 4_000
    assert (taken.order_ref, released.order_ref, released.aliases) == ("pi_1", "pi_1", ("ch_1",))


def test_a_foreign_charge_states_what_the_customer_paid_and_what_we_get() -> None:
    found = a_line("charge", 90, CHARGE, type="charge", currency="usd", fee=5)
    assert (found.amount, found.currency, found.settled, found.settlement_currency) == (10_000, "RUB", 90, "USD")
    assert found.fee == 5


def test_a_foreign_refund_has_the_sign_of_the_movement() -> None:
    found = a_line("refund", -54, REFUND, type="refund", currency="usd")
    assert (found.amount, found.currency, found.settled, found.settlement_currency) == (-6_000, "RUB", -54, "USD")


def test_one_currency_is_stated_once() -> None:
    found = a_line("charge", 10_000, CHARGE, type="charge")
    assert (found.amount, found.currency, found.settled, found.settlement_currency) == (10_000, "RUB", None, None)


def test_the_tax_in_a_fee_is_told_where_stripe_tells_it() -> None:
    details = [{"amount": 100, "type": "stripe_fee"}, {"amount": 20, "type": "tax"}]
    assert a_line("charge", 10_000, CHARGE, fee=120, fee_details=details).fee_tax == 20
    assert a_line("charge", 10_000, CHARGE, fee=120).fee_tax is None


def test_a_payout_is_its_own_reference_and_that_of_what_it_consists_of() -> None:
    payout = {"id": "po_1", "object": "payout", "amount": 9_000, "currency": "rub"}
    assert a_line("payout", -9_000, payout).payout_ref == "po_1"
    values = {"id": "txn_1", "type": "charge", "amount": 1, "fee": 0, "currency": "rub", "created": CREATED}
    assert line(msgspec.convert(values, BalanceTransaction), "po_1", live=True).payout_ref == "po_1"


@pytest.mark.parametrize(("live", "is_test"), [(True, False), (False, True), (None, False)])
def test_lines_of_test_mode_are_marked(live: bool | None, is_test: bool) -> None:
    assert a_line("charge", 10_000, CHARGE, live=live).test is is_test


async def answered(provider: type[YooKassa | Stripe], answer: Any, ask: Any) -> tuple[Any, list[str]]:
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.path_qs)
        return web.json_response(answer)

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    async with TestServer(app) as server:
        settings = (YooKassaSettings if provider is YooKassa else StripeSettings)(
            url=str(server.make_url("")), settlement={"calls_per_s": 1000.0}
        )
        adapter: Any = provider(settings, CallLimits(5.0, 4))  # type: ignore[arg-type]
        await adapter.start()
        try:
            return await ask(adapter), asked
        finally:
            await adapter.close()


@pytest.mark.parametrize(("status", "is_line"), [("pending", False), ("canceled", False), ("succeeded", True)])
async def test_a_refund_of_yookassa_that_was_open_is_read_singly_until_it_succeeds(status: str, is_line: bool) -> None:
    refund = {
        "id": "r-1", "payment_id": "p-1", "status": status, "amount": {"value": "10.00", "currency": "RUB"},
        "created_at": "2026-11-20T12:00:00.000Z",
    }  # fmt: skip
    found, asked = await answered(YooKassa, refund, lambda adapter: adapter.refund("r-1"))
    assert asked == ["/refunds/r-1"]
    assert (None if found is None else (found.kind, found.amount, found.line_ref)) == (
        ("refund", -1_000, "r-1") if is_line else None
    )


async def test_a_payout_of_stripe_lists_what_it_consists_of() -> None:
    async def ask(adapter: Stripe) -> list[StatementLine]:
        part = adapter.payout("po_1", DAY)
        assert part is not None
        return [line async for page in adapter.pages(part) for line in page.lines]

    transaction = {
        "id": "txn_1", "type": "charge", "reporting_category": "charge", "amount": 1, "fee": 0, "currency": "rub",
        "created": CREATED,
    }  # fmt: skip
    (found,), (asked,) = await answered(Stripe, {"object": "list", "has_more": False, "data": [transaction]}, ask)
    assert "payout=po_1" in asked
    assert found.payout_ref == "po_1"


async def test_a_text_that_our_stores_do_not_take_refuses_the_day() -> None:
    transaction = {
        "id": "txn_1", "type": "charge", "reporting_category": "a\0b", "amount": 1, "fee": 0, "currency": "rub",
        "created": CREATED,
    }  # fmt: skip

    async def ask(adapter: Stripe) -> None:
        with pytest.raises(StatementUnavailable, match="unreadable_answer"):
            [page for part in adapter.parts(DAY) async for page in adapter.pages(part)]

    await answered(Stripe, {"object": "list", "has_more": False, "data": [transaction]}, ask)
