"""Calls that read a statement: at a share of the provider's rate, repeated while it does not answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

import msgspec
from token_bucket import Limiter, MemoryStorage

from billing.errors import InvalidMessage, InvalidMoney
from billing.reasons import Reason
from providers.http import NETWORK_ERRORS, CallEnded, asked_pause_s, network_failure
from providers.reading import AnswerTooLong, check_texts
from providers.statements import StatementPage, StatementUnavailable
from runtime.retry import Retry

T = TypeVar("T")

#: How long a call is repeated before the statement counts as unavailable, seconds. Its parts read so far stay read.
PATIENCE_S: Final = 60.0
_KEY: Final = "statement"


class StatementCalls:
    """One account's calls. ``per_s``: calls a second; ``patience_s``: how long one is repeated, seconds."""

    def __init__(self, per_s: float, patience_s: float = PATIENCE_S) -> None:
        self._pause_s = 1 / per_s
        self._limiter = Limiter(per_s, max(1, round(per_s)), MemoryStorage())
        self._patience_s = patience_s

    async def pages(
        self, read: Callable[[str | None], Awaitable[StatementPage]], after: str | None
    ) -> AsyncIterator[StatementPage]:
        """Every page from the cursor ``after`` on."""
        while True:
            page = await self.call(partial(_checked, read, after))
            yield page
            if (after := page.next) is None:
                return

    async def call(self, action: Callable[[], Awaitable[T]]) -> T:
        """The result of one call. Raises :class:`StatementUnavailable`."""
        retry = Retry(
            "provider_statement",
            (CallEnded, *NETWORK_ERRORS),
            patience_s=self._patience_s,
            asked_pause_s=asked_pause_s,
        )
        try:
            return await retry.run(partial(self._once, action))
        except CallEnded as ended:
            raise StatementUnavailable(ended.result.reason or ended.result.outcome) from ended
        except NETWORK_ERRORS as error:
            raise StatementUnavailable(network_failure(error).reason or "network") from error

    async def _once(self, action: Callable[[], Awaitable[T]]) -> T:
        while not self._limiter.consume(_KEY):  # noqa: ASYNC110 - tokens come with time
            await asyncio.sleep(self._pause_s)
        try:
            return await action()
        except CallEnded as ended:
            if ended.is_final:
                raise StatementUnavailable(ended.result.reason or ended.result.outcome) from ended
            raise
        except (msgspec.MsgspecError, InvalidMoney, InvalidMessage, AnswerTooLong) as error:
            raise StatementUnavailable(Reason.UNREADABLE_ANSWER) from error


async def _checked(read: Callable[[str | None], Awaitable[StatementPage]], after: str | None) -> StatementPage:
    page = await read(after)
    for line in page.lines:
        check_texts(line)
    return page
