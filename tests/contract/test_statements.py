"""What every provider's statement keeps to, whatever its source says."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from billing.money import from_decimal_string
from providers.base import Provider
from providers.http import CallLimits
from providers.registry import PLUGINS
from providers.statements import StatementLine, StatementUnavailable
from tests.support.statements import day_read

DAY = date(2026, 11, 27)
OWN = "6f1c2a52-6a4e-4c0f-9f0b-8d6d1a3b7c11"
LIMITS = CallLimits(timeout_s=5.0, connections=8)


@dataclass(frozen=True)
class Row:
    """A row of the source. ``type``: ``charge``, ``refund``, or one that nobody told us of."""

    id: str
    at: datetime
    type: str = "charge"
    amount: str = "599.00"
    own_id: str = OWN
    shown_at: str | None = None

    @property
    def time(self) -> str:
        return self.at.isoformat() if self.shown_at is None else self.shown_at


class Source(ABC):
    """What a provider answers to those who read its statement."""

    name: str

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.failures: list[int] = []
        self.asked = 0

    async def handle(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.failures and (status := self.failures.pop(0)) != 200:
            return web.Response(status=status)
        return self.answer(request)

    @abstractmethod
    def answer(self, request: web.Request) -> web.Response: ...

    def paged(self, found: list[Row], after: str | None) -> tuple[list[Row], str | None]:
        start = 0 if after is None else [row.id for row in found].index(after) + 1
        page = found[start : start + 100]
        return page, page[-1].id if len(found) > start + 100 else None


class YooKassaSource(Source):
    name = "yookassa"

    def answer(self, request: web.Request) -> web.Response:
        is_refund = request.path.endswith("/refunds")
        since, until = sorted(value for name, value in request.query.items() if "_at." in name)
        found = [
            row
            for row in self.rows
            if (row.type == "refund") == is_refund
            and datetime.fromisoformat(since) <= row.at < datetime.fromisoformat(until)
        ]
        page, following = self.paged(found, request.query.get("cursor"))
        items = [self.refund(row) if is_refund else self.payment(row) for row in page]
        return web.json_response({"type": "list", "items": items} | ({"next_cursor": following} if following else {}))

    def payment(self, row: Row) -> dict[str, Any]:
        return {
            "id": row.id,
            "status": "succeeded" if row.type == "charge" else row.type,
            "amount": {"value": row.amount, "currency": "RUB"},
            "income_amount": {"value": "1.00", "currency": "RUB"},
            "captured_at": row.time,
            "metadata": {"operation_id": row.own_id},
            "test": False,
        }

    def refund(self, row: Row) -> dict[str, Any]:
        amount = {"value": row.amount, "currency": "RUB"}
        known = {"status": "succeeded", "metadata": {"operation_id": row.own_id}}
        return {"id": row.id, "payment_id": "p-1", "amount": amount, "created_at": row.time, **known}


class StripeSource(Source):
    name = "stripe"

    def answer(self, request: web.Request) -> web.Response:
        since, until = int(request.query["created[gte]"]), int(request.query["created[lt]"])
        found = [row for row in self.rows if since <= row.at.timestamp() < until]
        page, following = self.paged(found, request.query.get("starting_after"))
        data = [self.transaction(row) for row in page]
        return web.json_response({"object": "list", "has_more": following is not None, "data": data})

    def transaction(self, row: Row) -> dict[str, Any]:
        minor = from_decimal_string(row.amount, "RUB")
        return {
            "id": row.id,
            "object": "balance_transaction",
            "type": row.type,
            "reporting_category": row.type,
            "amount": -minor if row.type == "refund" else minor,
            "fee": 100,
            "currency": "rub",
            "created": int(row.at.timestamp()),
            "source": {"id": f"ch_{row.id}", "object": "charge", "metadata": {"operation": row.own_id}},
        }


class RegisterSource(Source):
    types: ClassVar[Mapping[str, str]]

    def answer(self, request: web.Request) -> web.Response:
        head = "type,order_id,operation_id,merchant_operation_id,amount,fee,currency,time,payout\n"
        day = request.path.rpartition("/")[2][:10]
        text = head + "".join(
            f"{self.types.get(row.type, row.type)},7,{row.id},{row.own_id},{row.amount},1.00,RUB,{row.time},\n"
            for row in self.rows
            if row.at.date().isoformat() == day
        )
        return web.Response(text=hashlib.sha256(text.encode()).hexdigest() if request.path.endswith("256") else text)


class TBankSource(RegisterSource):
    name = "tbank"
    types: ClassVar = {"charge": "Debit", "refund": "Credit"}


class YandexPaySource(RegisterSource):
    name = "yandex-pay"
    types: ClassVar = {"charge": "CAPTURE", "refund": "REFUND"}


@asynccontextmanager
async def an_adapter(source: Source) -> AsyncIterator[Provider]:
    app, plugin = web.Application(), PLUGINS[source.name]
    app.router.add_get("/{path:.*}", source.handle)
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        fields = {"url": url, "settlement": {"calls_per_s": 10_000.0}, "registers_url": url}
        known = {name: value for name, value in fields.items() if name in plugin.settings.model_fields}
        adapter = plugin.provider(plugin.settings(**known), LIMITS)
        await adapter.start()
        try:
            yield adapter
        finally:
            await adapter.close()


@pytest.fixture(params=[YooKassaSource, StripeSource, TBankSource, YandexPaySource], ids=lambda source: source.name)
def source(request: pytest.FixtureRequest) -> Source:
    source: Source = request.param()
    start, _ = PLUGINS[source.name].capabilities.settlement.business_day(DAY)
    start = (
        start.astimezone(datetime.fromisoformat("2026-11-27T00:00:00+03:00").tzinfo)
        if source.name != "stripe"
        else start
    )
    source.rows = [
        Row("a", start),
        Row("b", start + timedelta(hours=1), "refund", "100.00"),
        Row("c", start + timedelta(hours=12), "loyalty_bonus", "3.50"),
        Row("d", start + timedelta(hours=24) - timedelta(seconds=1)),
    ]
    return source


async def read(source: Source) -> list[StatementLine]:
    async with an_adapter(source) as adapter:
        return await day_read(adapter, DAY)


async def test_every_row_is_one_line_also_one_of_an_unknown_type(source: Source) -> None:
    lines = {line.line_ref: line for line in await read(source)}
    assert {id: (line.kind, line.amount) for id, line in lines.items()} == {
        "a": ("charge", 59_900), "b": ("refund", -10_000), "c": ("other", 350), "d": ("charge", 59_900),
    }  # fmt: skip
    assert all(str(line.own_id) == OWN and line.raw_type and line.currency == "RUB" for line in lines.values())
    assert [lines[row.id].at for row in source.rows] == [row.at for row in source.rows]
    assert all(line.fee is not None for line in lines.values())


async def test_two_readings_of_an_unchanged_day_are_equal(source: Source) -> None:
    first = await read(source)
    source.rows.reverse()
    second = await read(source)
    assert sorted(first, key=lambda line: line.line_ref) == sorted(second, key=lambda line: line.line_ref)


async def test_an_edge_belongs_to_the_later_day(source: Source) -> None:
    source.rows = [
        Row("before", source.rows[0].at - timedelta(seconds=1)),
        Row("after", source.rows[0].at + timedelta(days=1)),
    ]
    assert await read(source) == []


async def test_many_rows_of_one_hour_are_all_read_once(source: Source) -> None:
    source.rows = [replace(source.rows[0], id=f"row-{number}") for number in range(250)]
    refs = [line.line_ref for line in await read(source)]
    assert sorted(refs) == sorted(row.id for row in source.rows)


async def test_an_amount_with_more_digits_than_the_currency_has_is_refused(source: Source) -> None:
    if isinstance(source, StripeSource):
        pytest.skip("Stripe's API states minor units")
    source.rows[0] = replace(source.rows[0], amount="599.005")
    with pytest.raises(StatementUnavailable):
        await read(source)


async def test_a_time_without_its_zone_is_refused(source: Source) -> None:
    if isinstance(source, StripeSource):
        pytest.skip("Stripe's API states Unix time")
    source.rows[0] = replace(source.rows[0], shown_at="2026-11-27T12:00:00")
    with pytest.raises(StatementUnavailable):
        await read(source)


async def test_an_id_that_is_not_ours_is_no_operation_of_ours(source: Source) -> None:
    source.rows = [replace(source.rows[0], own_id="somebody-else")]
    (line,) = await read(source)
    assert line.own_id is None


async def test_a_provider_that_refuses_for_a_moment_is_asked_again(source: Source) -> None:
    source.failures = [429, 503]
    assert len(await read(source)) == 4


async def test_a_provider_that_does_not_answer_is_no_empty_day(source: Source) -> None:
    source.failures = [401] * 100
    with pytest.raises(StatementUnavailable):
        await read(source)


async def test_reading_goes_on_from_the_cursor_of_the_last_page(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("providers.registers.download.PAGE_LINES", 100)
    source.rows = [replace(source.rows[0], id=f"row-{number:03}") for number in range(250)]
    async with an_adapter(source) as adapter:
        seen: list[str] = []
        for part in adapter.parts(DAY):
            async for page in adapter.pages(part):
                seen += [line.line_ref for line in page.lines]
                cursor = page.next
                break
            while cursor is not None:  # another process goes on
                page = await anext(adapter.pages(part, cursor))
                seen += [line.line_ref for line in page.lines]
                cursor = page.next
    assert seen == [row.id for row in source.rows]


async def test_parts_have_names_of_their_own(source: Source) -> None:
    async with an_adapter(source) as adapter:
        names = [part.name for part in adapter.parts(DAY)]
    assert len(names) == len(set(names)) > 0


async def test_only_where_refunds_are_dated_by_their_creation_they_are_read_singly(source: Source) -> None:
    if PLUGINS[source.name].capabilities.settlement.refunds_dated_by == "creation":
        pytest.skip("this provider reads refunds singly: tests/unit/providers/test_statements_of_lists.py has the case")
    async with an_adapter(source) as adapter:
        with pytest.raises(StatementUnavailable, match="unsupported"):
            await adapter.refund("re_1")
