"""Runs reports on ClickHouse, a few at a time."""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError

from admin.problems import Problem
from analytics.clickhouse import connect
from analytics.report import Report, ReportError, Result, bind, find_report, run
from runtime.clock import utc_now
from runtime.http.problems import ProblemError

log = structlog.get_logger(__name__)

#: Reports that run at once, and how many more may wait.
CONCURRENCY: Final = 4
WAITING_MAX: Final = 40
#: Seconds that ClickHouse has for a report: as many as its own limit of a query. A server that hangs keeps no limit.
REPORT_S: Final = 15.0
#: Seconds that it has to answer a readiness probe, which the image's health check waits 3 s for.
PROBE_S: Final = 1.0
#: What a report says that cannot be shown, as a page and as an API's problem.
WITHOUT_CLICKHOUSE: Final = (
    "ClickHouse does not answer, so no report can be shown. Payments, approvals and clearing do not need it."
)


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
            log.warning("a report cannot be shown", report=name, error=repr(error))
            raise ProblemError(Problem.UNAVAILABLE, WITHOUT_CLICKHOUSE) from error
        finally:
            self._pending -= 1

    @staticmethod
    def find(name: str) -> Report:
        """The report of this name. Raises :class:`ProblemError`."""
        try:
            return find_report(name)
        except ReportError as error:
            raise ProblemError(Problem.UNKNOWN_REPORT) from error

    async def answers(self) -> bool:
        """Whether ClickHouse answers within :data:`PROBE_S`."""
        try:
            async with asyncio.timeout(PROBE_S):
                client = await self._connected()
                await client.command("SELECT 1")
        except (ClickHouseError, OSError, TimeoutError):
            return False
        return True

    async def _connected(self) -> AsyncClient:
        async with self._connecting:  # reports that begin at once share one client
            if self._client is None:
                self._client = await connect(self._url)
            return self._client

    async def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            await self._client.close()
