"""Calls that read a statement: repeated while the provider does not answer, at their own rate."""

import asyncio
from datetime import UTC, datetime

import pytest
from aiohttp import ClientError

from billing.vocabulary import Outcome
from providers.base import CallResult
from providers.http import CallEnded
from providers.statement_calls import StatementCalls
from providers.statements import LineKind, StatementLine, StatementPage, StatementUnavailable
from runtime.retry import PAUSE_FIRST_S


def ended(outcome: Outcome, reason: str, retry_after_s: int | None = None) -> CallEnded:
    return CallEnded(CallResult(outcome, reason=reason, retry_after_s=retry_after_s))


class Source:
    """Raises what it is told to, and then has three pages."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.asked: list[str | None] = []

    async def read(self, after: str | None) -> StatementPage:
        self.asked.append(after)
        if self.failures:
            raise self.failures.pop(0)
        number = 0 if after is None else int(after)
        line = StatementLine(
            kind=LineKind.CHARGE, line_ref=f"{number}", amount=1, currency="RUB", at=datetime(2026, 11, 27, tzinfo=UTC)
        )
        return StatementPage((line,), None if number == 2 else f"{number + 1}")


async def read(calls: StatementCalls, source: Source, after: str | None = None) -> list[str]:
    return [line.line_ref async for page in calls.pages(source.read, after) for line in page.lines]


@pytest.mark.parametrize(
    "failure",
    [
        ended(Outcome.NOT_SENT, "rate_limited"),
        ended(Outcome.UNKNOWN, "http_503"),
        ended(Outcome.UNKNOWN, "http_500"),
        ClientError(),
        TimeoutError(),
    ],
)
async def test_a_call_that_fails_is_repeated_and_the_day_is_read(failure):
    source = Source(failure, failure)
    assert await read(StatementCalls(1000), source) == ["0", "1", "2"]
    assert source.asked == [None, None, None, "1", "2"]


@pytest.mark.parametrize(
    "failure", [ended(Outcome.DECLINED, "invalid_request"), ended(Outcome.NOT_SENT, "credentials")]
)
async def test_a_refusal_is_not_repeated(failure):
    source = Source(failure)
    with pytest.raises(StatementUnavailable, match=failure.result.reason):
        await read(StatementCalls(1000), source)
    assert source.asked == [None]


async def test_the_pause_that_the_provider_asks_for_is_kept():
    source = Source(ended(Outcome.NOT_SENT, "rate_limited", retry_after_s=1))
    started = asyncio.get_running_loop().time()
    await read(StatementCalls(1000), source)
    assert asyncio.get_running_loop().time() - started >= 1 > PAUSE_FIRST_S


async def test_a_pause_beyond_our_patience_ends_reading_at_once():
    source = Source(ended(Outcome.NOT_SENT, "rate_limited", retry_after_s=3600))
    with pytest.raises(StatementUnavailable, match="rate_limited"):
        await read(StatementCalls(1000), source)
    assert source.asked == [None]


async def test_the_cursor_of_the_last_page_read_is_where_reading_goes_on():
    source = Source()
    pages = StatementCalls(1000).pages(source.read, None)
    first = await anext(pages)
    source.failures = [ended(Outcome.DECLINED, "invalid_request")]
    with pytest.raises(StatementUnavailable):
        await anext(pages)
    assert await read(StatementCalls(1000), source, first.next) == ["1", "2"]


async def test_calls_keep_to_their_share_of_the_rate():
    calls, source = StatementCalls(20), Source()
    started = asyncio.get_running_loop().time()
    for _ in range(10):
        await read(calls, source)
    # Thirty calls: a second's worth at once, the other ten at twenty a second.
    assert asyncio.get_running_loop().time() - started >= 0.45
