"""A day's register over HTTP: copied to a file of ours, proven whole, read in pages."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from datetime import date, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from itertools import islice
from typing import IO, Final, NamedTuple

import aiohttp

from billing.reasons import http_reason
from providers.http import CONNECT_TIMEOUT_S, OK, CallEnded, by_status
from providers.reading import AnswerTooLong, read_answer
from providers.registers.maps import RegisterMap
from providers.registers.reading import read_register
from providers.statement_calls import StatementCalls
from providers.statements import Part, StatementLine, StatementPage, StatementUnavailable
from runtime.clock import utc_now

REGISTER: Final = "register"
#: Lines of a page.
PAGE_LINES: Final = 5_000
#: A register that nobody has written to for this long is whole, if its last row is.
AT_REST: Final = timedelta(minutes=5)
#: Bytes of a register: a million lines have about 200 MB.
REGISTER_LIMIT: Final = 2 * 1024**3
_CHUNK: Final = 256 * 1024
#: Seconds between two pieces of a register.
_SILENCE_S: Final = 60.0
_TRIES_PER_S: Final = 5.0
_DIGEST_DIGITS: Final = 16
_MISSING: Final = 404


class _Copy(NamedTuple):
    sha256: str
    modified: datetime | None


class Register:
    """The registers of one account: ``<url>/<YYYY-MM-DD>.csv``.

    One is whole if its row of totals says so; or if ``<the same>.csv.sha256`` holds its SHA-256; or if it was last
    modified (``Last-Modified``) :data:`AT_REST` ago. A cursor is the number of lines that were read and the digest of the
    file: another file raises :class:`StatementUnavailable`, reason ``changed``.
    """

    def __init__(self, url: str, map: RegisterMap, now: Callable[[], datetime] = utc_now) -> None:
        self._url = url.rstrip("/")
        self._map = map
        self._now = now
        self._calls = StatementCalls(_TRIES_PER_S)

    def parts(self, day: date) -> tuple[Part, ...]:
        """A day's register is one part."""
        return (Part(day, REGISTER),)

    async def pages(
        self, session: aiohttp.ClientSession, part: Part, after: str | None
    ) -> AsyncIterator[StatementPage]:
        """The pages of a day's register, from the cursor ``after`` on. Raises :class:`StatementUnavailable`."""
        if not self._url:
            raise StatementUnavailable("no_registers_url")
        url = f"{self._url}/{part.day.isoformat()}.csv"
        with tempfile.TemporaryFile() as file:
            copy = await self._calls.call(partial(self._copy, session, url, file))
            proof = None
            if self._map.totals is None:
                proof = await self._calls.call(partial(self._stated_digest, session, url))
                if proof is not None and proof != copy.sha256:
                    raise StatementUnavailable("incomplete: the file is another than its sha256")
            is_at_rest = copy.modified is not None and self._now() - copy.modified >= AT_REST
            lines = read_register(file, self._map, is_proven=proof is not None or is_at_rest)
            with closing(lines):
                async for page in _paged(lines, copy.sha256[:_DIGEST_DIGITS], after):
                    yield page

    async def _copy(self, session: aiohttp.ClientSession, url: str, file: IO[bytes]) -> _Copy:
        file.seek(0)
        file.truncate()
        digest, size = hashlib.sha256(), 0
        timeout = aiohttp.ClientTimeout(connect=CONNECT_TIMEOUT_S, sock_read=_SILENCE_S)
        async with session.get(url, allow_redirects=False, timeout=timeout) as response:
            _check(response)
            async for chunk in response.content.iter_chunked(_CHUNK):
                size += len(chunk)
                if size > REGISTER_LIMIT:
                    raise StatementUnavailable("too_long")
                digest.update(chunk)
                _keep(chunk, file)
            modified = _time_of(response.headers.get("Last-Modified"))
        file.seek(0)
        return _Copy(digest.hexdigest(), modified)

    async def _stated_digest(self, session: aiohttp.ClientSession, url: str) -> str | None:
        async with session.get(f"{url}.sha256", allow_redirects=False) as response:
            if response.status == _MISSING:
                return None
            _check(response)
            try:
                words = (await read_answer(response, _CHUNK)).decode("ascii", "replace").split()
            except AnswerTooLong as error:
                raise StatementUnavailable("too_long") from error
        return words[0].lower() if words else ""


def pages_of(lines: Iterator[StatementLine], digest: str) -> AsyncIterator[StatementPage]:
    """The lines of a register with this SHA-256 in pages, from the first on."""
    return _paged(lines, digest[:_DIGEST_DIGITS], None)


async def _paged(lines: Iterator[StatementLine], digest: str, after: str | None) -> AsyncIterator[StatementPage]:
    count = 0
    if after is not None:
        done, _, of = after.partition("@")
        if of != digest:
            raise StatementUnavailable("changed")
        count = int(done)
        await asyncio.to_thread(_skip, lines, count)
    page = await asyncio.to_thread(_take, lines)
    while True:
        following = await asyncio.to_thread(_take, lines)
        count += len(page)
        if not following:
            yield StatementPage(page)
            return
        yield StatementPage(page, f"{count}@{digest}")
        page = following


def _take(lines: Iterator[StatementLine]) -> tuple[StatementLine, ...]:
    return tuple(islice(lines, PAGE_LINES))


def _skip(lines: Iterator[StatementLine], count: int) -> None:
    next(islice(lines, count, count), None)


def _keep(chunk: bytes, file: IO[bytes]) -> None:
    try:
        file.write(chunk)
        file.flush()
    except OSError as error:  # ours, not the network's: a repeat would not help
        raise StatementUnavailable(f"no_room: {error.strerror}") from error


def _check(response: aiohttp.ClientResponse) -> None:
    if response.status in OK:
        return
    if (result := by_status(response.status, response.headers)) is not None:
        raise CallEnded(result)
    raise StatementUnavailable(http_reason(response.status))


def _time_of(header: str | None) -> datetime | None:
    try:
        return None if header is None else parsedate_to_datetime(header)
    except ValueError:
        return None
