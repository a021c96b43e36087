"""The admin application on a free port; ClickHouse and the keys on record are fakes."""

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

import aiohttp
import msgspec
import pytest
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr
from yarl import URL

from admin.access import Access
from admin.app import create_app
from admin.people import cookies
from admin.people.accounts import Accounts, LinkOver, NotAdmitted
from admin.people.forms import form_token
from admin.people.person import Person
from admin.people.vault import Vault
from admin.problems import Problem
from admin.report_store import WITHOUT_CLICKHOUSE, ReportStore
from admin.server import server_config
from admin.trail.trail import Trail
from analytics.report import Report, Result, bind
from billing.access.roles import Role
from monitoring.recent import Recent
from runtime.http.problems import ProblemError
from runtime.postgres import create_engine
from runtime.settings import Settings
from storage.access.key_ring import KeyRing
from storage.staff.accounts import Account, ListedAccount
from storage.staff.credentials import Credentials
from storage.staff.passkeys import Passkey
from storage.staff.sessions import ListedSession
from storage.staff.trail import Entry, RecordedEntry
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
            raise ProblemError(Problem.UNAVAILABLE, WITHOUT_CLICKHOUSE)
        return report, self.results.get(name, Result(("currency",), []))

    async def answers(self) -> bool:
        return not self.unavailable


EMAIL, PASSWORD = "ann@cinema.example", "four words of a password"


class FakeAccounts(Accounts):
    """Knows one person, in the role that the test wants; sessions are kept in memory."""

    def __init__(self) -> None:
        super().__init__(create_engine(Settings(postgres_url="postgresql://nobody@127.0.0.1:1/none")), 3600)
        self.roles: dict[str, Role] = {}
        self.language: str | None = None
        self.zone: str | None = None
        #: Of those who sign in.
        self.role = Role.FINANCE
        self.passkeys = 0
        self.authenticated_at = at = self.clock()
        self.people = [
            ListedAccount(
                id=UUID(int=number), email=f"{name}@cinema.example", name=name.title(), role=role, created_at=at,
                suspended_at=at if name == "eve" else None, credentials=credentials, seen_at=at if credentials else None,
            )
            for number, (name, role, credentials) in enumerate(
                [
                    ("ann", Role.FINANCE, ("password", "totp")), ("bob", Role.VIEWER, ("password",)),
                    ("eve", Role.SUPPORT, ("password", "totp")), ("kim", Role.ADMIN, ()),
                ],
                start=1,
            )
        ]  # fmt: skip

    def open(self, role: Role = Role.FINANCE) -> str:
        """The token of a new session."""
        token = f"session-of-{role}-{len(self.roles)}"
        self.roles[token] = role
        return token

    async def person(self, token: str, address: str, *, by_hand: bool = True) -> Person | None:
        role = self.roles.get(token)
        if role is None:
            return None
        return replace(person_in(role, token, self.authenticated_at), language=self.language, zone=self.zone)

    async def sign_in(self, email: str, password: str, code: str, address: str, agent: str) -> str:
        if (email, password) != (EMAIL, PASSWORD):
            raise NotAdmitted
        return self.open(self.role)

    async def sign_out(self, person: Person) -> None:
        del self.roles[person.token]

    async def confirm(self, person: Person, code: str) -> None:
        raise NotAdmitted

    async def sessions_of(self, person: Person) -> list[ListedSession]:
        at = self.authenticated_at
        return [
            ListedSession(
                id=id, created_at=at, seen_at=at, address="203.0.113.7", agent="Mozilla/5.0 (X11; Linux) Test/1"
            )
            for id in ("0123abcd00000000", "4567abcd00000000")
        ]

    async def prefer(self, person: Person, language: str | None, zone: str | None) -> None:
        self.language, self.zone = language, zone

    async def end_session(self, person: Person, id: str) -> bool:
        return False

    async def end_other_sessions(self, person: Person) -> None:
        pass

    async def linked(self, link: str) -> Account:
        if link != "good":
            raise LinkOver
        return self.people[0]

    async def credentials_of(self, person: Person) -> Credentials | None:
        return Credentials(self.people[0], b"", None if person.role is Role.VIEWER else b"", self.passkeys)

    async def passkeys_of(self, person: Person) -> list[Passkey]:
        return [
            Passkey(
                id=UUID(int=number), staff_id=person.id, name=name, credential_id=b"", public_key=b"", sign_count=0,
                created_at=self.authenticated_at, last_used_at=self.authenticated_at if number else None,
            )
            for number, name in enumerate(["laptop", "blue key"][: self.passkeys])
        ]  # fmt: skip

    async def everybody(self) -> list[ListedAccount]:
        return self.people


def person_in(role: Role, token: str, authenticated_at: datetime) -> Person:
    return Person(
        id=UUID(int=1), email=EMAIL, name="Ann", role=role, session="0123abcd", token=token, address="127.0.0.1",
        authenticated_at=authenticated_at,
    )  # fmt: skip


class FakeTrail(Trail):
    """Keeps entries in memory."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.unavailable = False

    async def write(self, entry: Entry) -> int:
        if self.unavailable:
            raise ProblemError(Problem.UNAVAILABLE)
        self.entries.append(entry)
        return len(self.entries)

    async def latest(
        self, limit: int, *, before: int | None = None, staff_id: UUID | None = None
    ) -> list[RecordedEntry]:
        recorded = [
            RecordedEntry(id=number, **msgspec.structs.asdict(entry)) for number, entry in enumerate(self.entries, 1)
        ]
        return recorded[::-1][:limit]


class FakeRecent(Recent):
    """Shows what the test has it show."""

    def __init__(self) -> None:
        nothing: Any = None
        super().__init__(nothing, nothing)

    async def run(self) -> None:
        """Reads nothing."""

    async def close(self) -> None:
        """Is connected to nothing."""


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
    accounts: Any
    trail: Any
    app: FastAPI
    recent: Any
    headers: dict[str, str] = field(default_factory=lambda: {"Authorization": f"Bearer {KEY}"})

    async def get(self, path: str, **headers: str) -> aiohttp.ClientResponse:
        return await self.http.get(self.url + path, headers=self.headers | headers, allow_redirects=False)

    async def sign_in(self, role: Role = Role.FINANCE) -> None:
        """Somebody in this role is signed in from now on."""
        self.http.cookie_jar.update_cookies({cookies.SESSION: self.accounts.open(role)}, URL(self.url))

    async def post(self, path: str, form: Mapping[str, str] | None = None, **headers: str) -> aiohttp.ClientResponse:
        """Send a form as our page has it: with the token of the page on which it stands."""
        token = await self.token_of(path)
        data = {"form_token": token, **(form or {})}
        return await self.http.post(self.url + path, data=data, headers=headers, allow_redirects=False)

    async def token_of(self, path: str) -> str:
        """The token that a page of ours would have for a form that posts to this path."""
        held = {cookie.key: cookie.value for cookie in self.http.cookie_jar}
        if not held:
            await self.http.get(f"{self.url}/sign-in")
            held = {cookie.key: cookie.value for cookie in self.http.cookie_jar}
        secret = held.get(cookies.SESSION) or held[cookies.FORM]
        return form_token(secret, path.partition("?")[0], self.accounts.clock())


@pytest.fixture
def app(world: World) -> FastAPI:
    return world.app


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with serving() as made:
        yield made


@asynccontextmanager
async def serving(real_people: Callable[[], datetime] | None = None, **overrides: Any) -> AsyncIterator[World]:
    """The application with its bounds; ``overrides`` change settings (``{port}`` in ``admin_url`` is its own).
    ``real_people``: the clock of accounts that are in
    Postgres; else they are fakes."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    overrides["admin_url"] = overrides.get("admin_url", "").format(port=port)
    settings = Settings(**{"postgres_url": "postgresql://nobody@127.0.0.1:1/none", **overrides})
    engine = create_engine(settings)
    hashes = {"finance": SecretStr(hashlib.sha256(KEY.encode()).hexdigest())}
    keys = FakeKeyStore()
    ring = KeyRing(hashes, keys, clock=lambda: NOW, refresh_s=300)
    await ring.refresh()
    clock = Clock()
    access = Access(ring, clock)
    store = FakeReportStore()
    accounts, trail = FakeAccounts(), FakeTrail()
    if real_people is not None:
        vault = Vault(settings.secret_keys)
        accounts = Accounts(engine, settings.admin_session_s, real_people, settings.with_password, vault)  # type: ignore[assignment]
        trail = Trail(engine)  # type: ignore[assignment]
    recent = FakeRecent()
    app = create_app(settings, access, accounts, trail, store, engine, recent)
    server = uvicorn.Server(server_config(settings, app))
    task = asyncio.create_task(server._serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address
    async with aiohttp.ClientSession(cookie_jar=jar) as http:
        url = f"http://127.0.0.1:{port}"
        yield World(url, http, store, access, keys, clock, settings, accounts, trail, app, recent)
    server.should_exit = True
    await task
