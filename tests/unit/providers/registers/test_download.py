"""Registers over HTTP: proven whole, read in pages, and read on from a cursor."""

import errno
import hashlib
import io
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from providers.registers import Register, download, load_map
from providers.statements import StatementPage, StatementUnavailable

DAY = date(2026, 11, 27)
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HEAD = "type,order_id,operation_id,merchant_operation_id,amount,fee,currency,time,payout\n"


def text_of(count: int) -> str:
    rows = (f"Debit,7,{number},,599.00,16.77,RUB,2026-11-27T12:00:00+03:00,\n" for number in range(count))
    return HEAD + "".join(rows)


class Host:
    """Where the registers are copied to."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.headers: Mapping[str, str] = {}
        self.statuses: list[int] = []
        self.url = ""

    def put(self, text: str, sha256: str | None = None) -> None:
        self.files[f"/{DAY}.csv"] = text
        self.files[f"/{DAY}.csv.sha256"] = hashlib.sha256(text.encode()).hexdigest() if sha256 is None else sha256

    async def handle(self, request: web.Request) -> web.Response:
        if self.statuses:
            return web.Response(status=self.statuses.pop(0))
        text = self.files.get(request.path)
        return web.Response(status=404) if text is None else web.Response(text=text, headers=self.headers)

    async def read(self, after: str | None = None) -> list[StatementPage]:
        register = Register(self.url, load_map("tbank"), lambda: NOW)
        (part,) = register.parts(DAY)
        async with aiohttp.ClientSession() as session:
            return [page async for page in register.pages(session, part, after)]


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    host, app = Host(), web.Application()
    app.router.add_get("/{path:.*}", host.handle)
    async with TestServer(app) as server:
        host.url = str(server.make_url(""))
        yield host


async def test_a_register_with_its_digest_is_read_in_pages(host, monkeypatch):
    monkeypatch.setattr(download, "PAGE_LINES", 10)
    host.put(text_of(25))
    pages = await host.read()
    assert [len(page.lines) for page in pages] == [10, 10, 5]
    assert [page.next is None for page in pages] == [False, False, True]


async def test_reading_goes_on_from_a_cursor_as_long_as_the_file_is_the_same(host, monkeypatch):
    monkeypatch.setattr(download, "PAGE_LINES", 10)
    host.put(text_of(25))
    first, *others = await host.read()
    assert await host.read(first.next) == others
    host.put(text_of(26))
    with pytest.raises(StatementUnavailable, match="changed"):
        await host.read(first.next)


async def test_a_file_that_is_another_than_its_digest_is_no_short_day(host):
    host.put(text_of(3), hashlib.sha256(text_of(9).encode()).hexdigest())
    with pytest.raises(StatementUnavailable, match="incomplete"):
        await host.read()


@pytest.mark.parametrize(("age", "is_whole"), [(timedelta(minutes=6), True), (timedelta(minutes=4), False)])
async def test_a_file_without_a_digest_counts_once_nobody_has_written_to_it_for_a_while(host, age, is_whole):
    host.put(text_of(3))
    del host.files[f"/{DAY}.csv.sha256"]
    host.headers = {"Last-Modified": format_datetime(NOW - age, usegmt=True)}
    if is_whole:
        (page,) = await host.read()
        assert len(page.lines) == 3
    else:
        with pytest.raises(StatementUnavailable, match="incomplete"):
            await host.read()


async def test_a_file_that_nothing_proves_is_no_short_day(host):
    host.put(text_of(3))
    del host.files[f"/{DAY}.csv.sha256"]
    with pytest.raises(StatementUnavailable, match="incomplete"):
        await host.read()


async def test_a_host_that_does_not_answer_is_asked_again(host):
    host.put(text_of(3))
    host.statuses = [503, 429]
    (page,) = await host.read()
    assert len(page.lines) == 3


async def test_a_day_without_a_file_is_no_empty_day(host):
    with pytest.raises(StatementUnavailable, match="http_404"):
        await host.read()


class FullDisk(io.BytesIO):
    """Takes nothing."""

    def write(self, _content: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_disk_that_is_full_is_named_and_not_blamed_on_the_network(host, monkeypatch):
    host.put(text_of(3))
    monkeypatch.setattr(download.tempfile, "TemporaryFile", FullDisk)
    with pytest.raises(StatementUnavailable, match="no_room: No space left"):
        await host.read()


async def test_no_url_is_no_empty_day():
    async with aiohttp.ClientSession() as session:
        with pytest.raises(StatementUnavailable, match="no_registers_url"):
            [
                page
                async for page in Register("", load_map("tbank")).pages(
                    session, *Register("", load_map("tbank")).parts(DAY), None
                )
            ]
