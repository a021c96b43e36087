"""ClickHouse, asked a few questions at a time."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError

from admin.problems import Problem, ProblemError
from analytics.clickhouse import connect
from analytics.report import Report, ReportError, Result, bind, find_report, run

#: Questions at once, and how many may wait for their turn.
AT_ONCE: Final = 4
WAITING: Final = 40


class Warehouse:
    """Connects when it is first asked."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: AsyncClient | None = None
        self._places = asyncio.Semaphore(AT_ONCE)
        self._asked = 0

    async def ask(self, name: str, given: Mapping[str, str]) -> tuple[Report, Result]:
        """A report and its answer. Raises :class:`ProblemError`: there is none of this name, it has no such parameter,
        ClickHouse is away or has too much to do."""
        report = self.find(name)
        try:
            values = bind(report, given, datetime.now(UTC).date())
        except ReportError as error:
            raise ProblemError(Problem.INVALID_PARAMETER, str(error)) from error
        if self._asked >= AT_ONCE + WAITING:
            raise ProblemError(Problem.TOO_MANY)
        self._asked += 1
        try:
            async with self._places:
                if self._client is None:
                    self._client = await connect(self._url)
                return report, await run(self._client, report, values)
        except (ClickHouseError, OSError, TimeoutError) as error:
            raise ProblemError(Problem.AWAY, f"{name}: {type(error).__name__}") from error
        finally:
            self._asked -= 1

    @staticmethod
    def find(name: str) -> Report:
        """The report of this name."""
        try:
            return find_report(name)
        except ReportError as error:
            raise ProblemError(Problem.UNKNOWN_REPORT) from error

    async def ping(self) -> None:
        """Raises :class:`ProblemError` while ClickHouse is away."""
        try:
            if self._client is None:
                self._client = await connect(self._url)
            await self._client.command("SELECT 1")
        except (ClickHouseError, OSError, TimeoutError) as error:
            raise ProblemError(Problem.AWAY, "ClickHouse is away") from error

    async def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            await self._client.close()
