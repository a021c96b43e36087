"""Debian's Prometheus on a running stack, with our rules in a hurry."""

import asyncio
import json
import re
import shutil
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml

from cli.monitoring.files import RULES
from deploy.local.ports import free_port
from tests.conftest import Stack

#: Every process, by the name of its metrics port in the stack's memory.
TARGETS: Final = {
    "ingest": "ingest-metrics",
    "admin": "admin-metrics",
    "worker": "worker-1",
    "signals": "signals",
    "analytics": "analytics",
    "scheduler": "scheduler",
    "monitor": "monitor",
}
#: What the rules wait for, and the windows that they look at, are this much shorter.
HURRY: Final = 20


class Prometheus:
    """A server to ask. ``url``: where it answers."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self._http = http
        self.started = time.time()

    async def ask(self, query: str) -> list[dict[str, Any]]:
        """The series that the query has now."""
        async with self._http.get(f"{self.url}/api/v1/query", params={"query": query}) as answer:
            found: dict[str, Any] = await answer.json()
        assert found["status"] == "success", (query, found)
        result: list[dict[str, Any]] = found["data"]["result"]
        return result

    async def asked_since_start(self, query: str) -> list[dict[str, Any]]:
        """The series that the query had at any time."""
        params = {"query": query, "start": str(self.started), "end": str(time.time()), "step": "2"}
        async with self._http.get(f"{self.url}/api/v1/query_range", params=params) as answer:
            found: dict[str, Any] = await answer.json()
        assert found["status"] == "success", (query, found)
        result: list[dict[str, Any]] = found["data"]["result"]
        return result

    async def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        found = await self.ask('ALERTS{alertstate="firing"}')
        return {one["metric"]["alertname"] for one in found}

    async def until(self, *alerts: str, fire: bool, within_s: float) -> None:
        """Wait until all of these alerts fire, or none of them does any more."""
        deadline = time.monotonic() + within_s
        while True:
            firing = await self.firing() & set(alerts)
            if firing == (set(alerts) if fire else set()):
                return
            wrong = set(alerts) - firing if fire else firing
            assert time.monotonic() < deadline, f"{sorted(wrong)} {'do not fire' if fire else 'fire still'}"
            await asyncio.sleep(0.5)


@asynccontextmanager
async def a_prometheus(
    running: Stack, folder: Path, thresholds: Mapping[str, tuple[str, str]]
) -> AsyncIterator[Prometheus]:
    """A server that reads every process each second. ``thresholds``: alert → what of its rule is replaced by what."""
    program = shutil.which("prometheus")
    assert program, "prometheus is missing: make prometheus"
    ports = json.loads((running.state_dir / "memory.json").read_text())["ports"]
    (folder / "rules.yml").write_text(hurried(RULES.read_text(), thresholds))
    jobs = [
        {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{ports[port]}"]}]}
        for job, port in TARGETS.items()
    ]
    settings = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config = {"global": settings, "rule_files": ["rules.yml"], "scrape_configs": jobs}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--query.lookback-delta=5s",
        "--log.level=warn",
    )
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
            server = Prometheus(f"http://127.0.0.1:{port}", http)
            await until_ready(f"http://127.0.0.1:{port}/-/ready", http)
            yield server
    finally:
        process.terminate()
        await process.wait()


async def until_ready(url: str, http: aiohttp.ClientSession) -> None:
    """Wait until the server at this address answers that it is ready."""
    deadline = time.monotonic() + 60
    while True:
        try:
            async with http.get(url) as answer:
                if answer.status == 200:
                    return
        except aiohttp.ClientError:
            pass
        assert time.monotonic() < deadline, f"{url} does not answer"
        await asyncio.sleep(0.2)


def hurried(rules: str, thresholds: Mapping[str, tuple[str, str]]) -> str:
    """The rules with what they wait for, and minutes that they look back on, divided by :data:`HURRY`."""
    document = yaml.safe_load(rules)
    for rule in (rule for group in document["groups"] for rule in group["rules"]):
        rule["for"] = f"{max(1, _seconds(rule['for']) // HURRY)}s"
        rule["expr"] = re.sub(r"\[(\d+m)\]", lambda found: f"[{_seconds(found[1]) // HURRY}s]", rule["expr"])
        if rule["alert"] in thresholds:
            old, new = thresholds[rule["alert"]]
            assert old in rule["expr"], rule
            rule["expr"] = rule["expr"].replace(old, new)
    return yaml.safe_dump(document)


def _seconds(duration: str) -> int:
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[duration[-1]]
