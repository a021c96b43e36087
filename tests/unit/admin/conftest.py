"""The admin application on a free port; ClickHouse and the keys on record are fakes."""

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import aiohttp
import pytest
import uvicorn
from pydantic import SecretStr

from admin.access import Access
from admin.app import create_app
from admin.problems import Problem
from admin.report_store import ReportStore
from admin.server import server_config
from admin.sessions import Sessions
from analytics.report import Report, Result, bind
from runtime.http.problems import ProblemError
from runtime.postgres import create_engine
from runtime.settings import Settings
from storage.access.key_ring import KeyRing
from tests.support.factories import NOW
from tests.support.ingest_fakes import FakeKeyStore

KEY = "finance-key-1"
TODAY = date(2026, 11, 23)


class FakeReportStore(ReportStore):
    """Returns the given results; validates parameters as the real store does."""

    def __init__(self) -> None:
        super().__init__("")
        self.results: dict[str, Result] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.asked_for: list[str | None] = []
        self.unavailable = False

    async def run(self, name: str, given: Mapping[str, str], only: str | None) -> tuple[Report, Result]:
        report = self.find(name)
        try:
            values = bind(report, given, TODAY)
        except Exception as error:
            raise ProblemError(Problem.INVALID_PARAMETER, str(error)) from error
        self.asked.append((name, values))
        self.asked_for.append(only)
        if self.unavailable:
            raise ProblemError(Problem.UNAVAILABLE, name)
        return report, self.results.get(name, Result(("currency",), []))

    async def ping(self) -> None:
        if self.unavailable:
            raise ProblemError(Problem.UNAVAILABLE)


class Clock:
    """Seconds, moved by the test."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    url: str
    http: aiohttp.ClientSession
    store: FakeReportStore
    access: Access
    keys: FakeKeyStore
    clock: Clock
    settings: Settings
    headers: dict[str, str] = field(default_factory=lambda: {"Authorization": f"Bearer {KEY}"})

    async def get(self, path: str, **headers: str) -> aiohttp.ClientResponse:
        return await self.http.get(self.url + path, headers=self.headers | headers, allow_redirects=False)

    async def sign_in(self, key: str = KEY) -> aiohttp.ClientResponse:
        return await self.http.post(f"{self.url}/sign-in", data={"key": key}, allow_redirects=False)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with serving() as made:
        yield made


@asynccontextmanager
async def serving(**overrides: Any) -> AsyncIterator[World]:
    """The application with its bounds; ``overrides`` change settings."""
    settings = Settings(**{"postgres_url": "postgresql://nobody@127.0.0.1:1/none", **overrides})
    engine = create_engine(settings)
    hashes = {"finance": SecretStr(hashlib.sha256(KEY.encode()).hexdigest())}
    keys = FakeKeyStore()
    ring = KeyRing(hashes, keys, clock=lambda: NOW, refresh_s=300)
    await ring.refresh()
    clock = Clock()
    access = Access(ring, clock)
    store = FakeReportStore()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    app = create_app(settings, access, Sessions("secret", 3600), store, engine)
    server = uvicorn.Server(server_config(settings, app))
    task = asyncio.create_task(server._serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address
    async with aiohttp.ClientSession(cookie_jar=jar) as http:
        yield World(f"http://127.0.0.1:{listener.getsockname()[1]}", http, store, access, keys, clock, settings)
    server.should_exit = True
    await task
