"""Debian's Alertmanager, with the routes and rules that ship."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp

from deploy.local.ports import free_port
from tests.support.prometheus import until_ready

ROOT: Final = Path(__file__).parents[2]


class FiringAlerts:
    """Tells Alertmanager what fires, as Prometheus does. ``url``: where it answers."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self._http = http

    async def fire(
        self, name: str, since: datetime, severity: str = "page", said: Mapping[str, str] | None = None, **labels: str
    ) -> None:
        """The alert fires. ``said``: annotations other than those that a test makes up."""
        alert: dict[str, Any] = {
            "labels": {"alertname": name, "severity": severity, **labels},
            "annotations": {
                "summary": f"About {name}",
                "notice": "a customer waits",
                "value": "7200",
                "runbook": "docs/x",
                **(said or {}),
            },
            "startsAt": since.isoformat(),
        }
        async with self._http.post(f"{self.url}/api/v2/alerts", json=[alert]) as answer:
            assert answer.status == 200, await answer.text()

    async def silences(self) -> list[dict[str, Any]]:
        async with self._http.get(f"{self.url}/api/v2/silences") as answer:
            found: list[dict[str, Any]] = await answer.json()
            return found


@asynccontextmanager
async def an_alertmanager(folder: Path) -> AsyncIterator[FiringAlerts]:
    """A server that nothing fires on yet."""
    program = shutil.which("prometheus-alertmanager")
    assert program, "prometheus-alertmanager is missing: make prometheus"
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        program,
        f"--config.file={ROOT / 'deploy/alertmanager/alertmanager.yml'}",
        f"--storage.path={folder}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        "--log.level=error",
    )
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
            url = f"http://127.0.0.1:{port}"
            await until_ready(f"{url}/-/ready", http)
            yield FiringAlerts(url, http)
    finally:
        process.terminate()
        await process.wait()


def minutes_ago(minutes: int) -> datetime:
    """UTC."""
    return datetime.now(UTC) - timedelta(minutes=minutes)
