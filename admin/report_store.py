"""Runs reports on ClickHouse, a few at a time."""

import asyncio
from collections.abc import Mapping
from typing import Final

from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError

from admin.problems import Problem
from analytics.clickhouse import connect
from analytics.report import Report, ReportError, Result, bind, find_report, run
from runtime.clock import utc_now
from runtime.http.problems import ProblemError

#: Reports that run at once, and how many more may wait.
CONCURRENCY: Final = 4
WAITING_MAX: Final = 40
#: Seconds that ClickHouse has for a report: as many as its own limit of a query. A server that hangs keeps no limit.
REPORT_S: Final = 15.0
#: Seconds that it has to answer a readiness probe.
PROBE_S: Final = 3.0


class ReportStore:
    """Connects on first use."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: AsyncClient | None = None
        self._connecting = asyncio.Lock()
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._pending = 0

    async def run(self, name: str, given: Mapping[str, str], only: str | None) -> tuple[Report, Result]:
        """A report and its result; ``only``: of this API client's payments. Raises :class:`ProblemError` for an unknown report or parameter, and while
        ClickHouse is unavailable or busy."""
        report = self.find(name)
        try:
            values = bind(report, given, utc_now().date())
        except ReportError as error:
            raise ProblemError(Problem.INVALID_PARAMETER, str(error)) from error
        if self._pending >= CONCURRENCY + WAITING_MAX:
            raise ProblemError(Problem.TOO_MANY)
        self._pending += 1
        try:
            async with self._slots, asyncio.timeout(REPORT_S):
                return report, await run(await self._connected(), report, values, of=only)
        except ReportError as error:
            raise ProblemError(Problem.FORBIDDEN, str(error)) from error
        except (ClickHouseError, OSError, TimeoutError) as error:
            raise ProblemError(Problem.UNAVAILABLE, f"{name}: {type(error).__name__}") from error
        finally:
            self._pending -= 1

    @staticmethod
    def find(name: str) -> Report:
        """The report of this name. Raises :class:`ProblemError`."""
        try:
            return find_report(name)
        except ReportError as error:
            raise ProblemError(Problem.UNKNOWN_REPORT) from error

    async def ping(self) -> None:
        """Raises :class:`ProblemError` while ClickHouse is unavailable."""
        try:
            async with asyncio.timeout(PROBE_S):
                client = await self._connected()
                await client.command("SELECT 1")
        except (ClickHouseError, OSError, TimeoutError) as error:
            raise ProblemError(Problem.UNAVAILABLE, "ClickHouse is unavailable") from error

    async def _connected(self) -> AsyncClient:
        async with self._connecting:  # reports that begin at once share one client
            if self._client is None:
                self._client = await connect(self._url)
            return self._client

    async def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            await self._client.close()
