"""Signing in, sessions, and a person's own credentials."""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.people import authenticator
from admin.people.passwords import Passwords
from admin.people.person import Person
from admin.trail.trail import record
from billing.access.roles import Role
from runtime.clock import utc_now
from runtime.http.credentials import network_of
from storage.staff import accounts, attempts, credentials, preferences, sessions, trail
from storage.staff.accounts import Account, ListedAccount
from storage.staff.credentials import Credentials
from storage.staff.credentials import Kind as CredentialKind
from storage.staff.sessions import ListedSession
from storage.staff.trail import Entry, Kind

log = structlog.get_logger(__name__)

#: After which time without use a session ends.
IDLE: Final[Mapping[Role, timedelta]] = {
    Role.VIEWER: timedelta(minutes=30),
    Role.SUPPORT: timedelta(minutes=30),
    Role.FINANCE: timedelta(minutes=15),
    Role.ADMIN: timedelta(minutes=15),
}
#: How exactly the last use is known.
SEEN_EVERY: Final = timedelta(seconds=30)
#: Characters that are kept of a browser's own description.
_AGENT_MAX: Final = 300
_TOKEN_BYTES: Final = 32


class NotAdmitted(Exception):
    """The account, the password or the code is wrong. The answer does not say which."""


class Throttled(Exception):
    """There were too many failed attempts. ``wait_s``: seconds until the next may be made."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"try again after {wait_s} s")
        self.wait_s = wait_s


class LinkOver(Exception):
    """The link was used, is too old, or never was one."""


class Accounts:
    """People as the admin process knows them. ``lifetime_s``: after which a session ends, however it is used.

    Every method raises the errors of Postgres while it is unavailable: nobody can sign in then.
    """

    def __init__(self, engine: AsyncEngine, lifetime_s: int, clock: Callable[[], datetime] = utc_now) -> None:
        self._engine = engine
        self._lifetime = timedelta(seconds=lifetime_s)
        self._passwords = Passwords()
        self.clock = clock

    async def person(self, token: str, address: str, *, by_hand: bool = True) -> Person | None:
        """Who has the session with this token; ``None`` if it is over. ``by_hand``: the session is in use."""
        now, hashed = self.clock(), hash_of(token)
        async with self._engine.begin() as connection:
            found = await sessions.find(connection, hashed, now)
            if found is None or now - found.seen_at >= IDLE[found.role]:
                return None
            if by_hand and now - found.seen_at >= SEEN_EVERY:
                await sessions.note_seen(connection, hashed, now)
        return Person(
            id=found.staff_id, email=found.email, name=found.name, role=found.role, session=hashed.hex()[:8],
            token=token, address=address, authenticated_at=found.authenticated_at, language=found.language,
            zone=found.zone,
        )  # fmt: skip

    async def sign_in(self, email: str, password: str, code: str, address: str, agent: str) -> str:
        """Open a session; returns its token. Raises :class:`NotAdmitted` and :class:`Throttled`: the same, and in the
        same time, for accounts that there are not."""
        email, now = email.strip().lower(), self.clock()
        by_account = await self._counted(email, address)
        async with self._engine.connect() as connection:
            known = await credentials.of_email(connection, email)
        step = await self._step(known, password, code, now)
        async with self._engine.begin() as connection:
            if known is None or step is None or not await self._is_unused(connection, known, step):
                await trail.record(connection, _refused(known, address, now))
                token = None
            else:
                await attempts.succeeded(connection, by_account, _by_address(address), now)
                token = await self._open(connection, known.account, address, agent)
        if token is None:
            log.warning("sign-in refused", address=address)
            raise NotAdmitted
        log.info("signed in", staff=str(known.account.id) if known else None, address=address)
        return token

    async def confirm(self, person: Person, code: str) -> None:
        """The person shows the second factor again. Raises :class:`NotAdmitted` and :class:`Throttled`."""
        now = self.clock()
        by_account = await self._counted(person.email, person.address)
        async with self._engine.begin() as connection:
            known = await credentials.of_person(connection, person.id)
            step = None if known is None or known.totp is None else authenticator.step_of(known.totp, code, now)
            admitted = step is not None and await credentials.use_step(connection, person.id, step)
            if admitted:
                await attempts.succeeded(connection, by_account, _by_address(person.address), now)
                await sessions.note_authenticated(connection, hash_of(person.token), now)
            else:
                await record(connection, person, Kind.SIGN_IN_REFUSED, "staff", person.id)
        if not admitted:
            raise NotAdmitted

    async def sign_out(self, person: Person) -> None:
        """End the session."""
        async with self._engine.begin() as connection:
            await sessions.end(connection, person.id, hash_of(person.token).hex()[:16], self.clock())
            await record(connection, person, Kind.SIGN_OUT, "staff", person.id)

    async def sessions_of(self, person: Person) -> list[ListedSession]:
        """The person's open sessions, the last used first."""
        async with self._engine.connect() as connection:
            return await sessions.of_person(connection, person.id, self.clock(), IDLE)

    async def end_session(self, person: Person, id: str) -> bool:
        """End one of the person's own sessions; whether there is such a one."""
        async with self._engine.begin() as connection:
            ended = await sessions.end(connection, person.id, id, self.clock())
            if ended:
                await record(connection, person, Kind.SESSION, "session", id[:8])
        return ended

    async def end_other_sessions(self, person: Person) -> None:
        """End all of the person's sessions but this one."""
        async with self._engine.begin() as connection:
            ended = await sessions.end_all(connection, person.id, self.clock(), hash_of(person.token))
            await record(connection, person, Kind.SESSION, "staff", person.id, ended=ended)

    async def change_password(self, person: Person, old: str, code: str, new: str) -> None:
        """Replace the person's password; all other sessions end. Raises :class:`NotAdmitted` and :class:`Throttled`."""
        now = self.clock()
        by_account = await self._counted(person.email, person.address)
        async with self._engine.connect() as connection:
            known = await credentials.of_person(connection, person.id)
        step = await self._step(known, old, code, now)
        hashed = await self._passwords.hash(new)
        async with self._engine.begin() as connection:
            admitted = known is not None and step is not None and await self._is_unused(connection, known, step)
            if admitted:
                await attempts.succeeded(connection, by_account, _by_address(person.address), now)
                await credentials.set_one(connection, person.id, CredentialKind.PASSWORD, hashed, now)
                await accounts.end_links(connection, person.id, now)
                await sessions.end_all(connection, person.id, now, hash_of(person.token))
                await record(connection, person, Kind.CREDENTIAL, "staff", person.id, changed=["password"])
            else:
                await record(connection, person, Kind.SIGN_IN_REFUSED, "staff", person.id)
        if not admitted:
            raise NotAdmitted

    async def linked(self, link: str) -> Account:
        """Whom the link is for. Raises :class:`LinkOver`."""
        async with self._engine.connect() as connection:
            account = await accounts.linked(connection, hash_of(link), self.clock())
        if account is None:
            raise LinkOver
        return account

    async def accept(self, link: str, password: str, code: str, address: str, agent: str) -> str:
        """Set the password and the authenticator of the person whom the link is for, end the sessions that there are and
        open one; returns its token. A viewer may leave out the code, and then has no authenticator.

        Raises :class:`LinkOver`, and :class:`NotAdmitted` for a wrong code.
        """
        account, now = await self.linked(link), self.clock()
        secret = authenticator.secret_of_link(link)
        step = authenticator.step_of(secret, code, now)
        if step is None and (code.strip() or account.role is not Role.VIEWER):
            raise NotAdmitted
        hashed = await self._passwords.hash(password)
        async with self._engine.begin() as connection:
            account = await accounts.find(connection, account.email)  # locked, and as it is now
            if not await accounts.use_link(connection, hash_of(link), now) or account.suspended_at is not None:
                raise LinkOver
            if step is None and account.role is not Role.VIEWER:
                raise NotAdmitted
            await credentials.set_one(connection, account.id, CredentialKind.PASSWORD, hashed, now)
            if step is None:
                await credentials.remove(connection, account.id, CredentialKind.TOTP)
            else:
                await credentials.set_one(connection, account.id, CredentialKind.TOTP, secret, now, step)
            await sessions.end_all(connection, account.id, now)
            changed = ["password"] if step is None else ["password", "authenticator"]
            return await self._open(connection, account, address, agent, kind=Kind.CREDENTIAL, changed=changed)

    async def has_authenticator(self, person: Person) -> bool:
        """Whether the person has a second factor."""
        async with self._engine.connect() as connection:
            known = await credentials.of_person(connection, person.id)
        return known is not None and known.totp is not None

    async def prefer(self, person: Person, language: str | None, zone: str | None) -> None:
        """Keep the language and the zone that the person has chosen."""
        async with self._engine.begin() as connection:
            await preferences.prefer(connection, person.id, language, zone)
            await record(connection, person, Kind.STAFF, "staff", person.id, changed=["language", "zone"])

    async def everybody(self) -> list[ListedAccount]:
        """The staff, suspended people last."""
        async with self._engine.connect() as connection:
            return await accounts.list_all(connection)

    async def _counted(self, email: str, address: str) -> bytes:
        """Count an attempt before it is judged; returns what the account's attempts are counted by. Raises
        :class:`Throttled`."""
        by_account, now = attempts.by_account(email), self.clock()
        async with self._engine.connect() as connection:
            until = await attempts.count(connection, by_account, _by_address(address), now)
            if until is not None:
                log.warning("sign-in throttled", address=address)
                raise Throttled(max(1, round((until - now).total_seconds())))
            await connection.commit()
        return by_account

    async def _step(self, known: Credentials | None, password: str, code: str, now: datetime) -> int | None:
        """The time step of the code, 0 for a viewer without an authenticator; ``None``: not admitted. Everything is
        checked, whatever is wrong."""
        right = await self._passwords.is_right(None if known is None else known.password, password)
        if known is None or not right or known.account.suspended_at is not None:
            return None
        if known.totp is None:
            return 0 if known.account.role is Role.VIEWER else None
        return authenticator.step_of(known.totp, code, now)

    async def _is_unused(self, connection: AsyncConnection, known: Credentials, step: int) -> bool:
        """Whether nobody has signed in with this code, and the account is still the one that was checked."""
        await accounts.find(connection, known.account.email)  # locks it
        if await credentials.of_person(connection, known.account.id) != known:
            return False
        return known.totp is None or await credentials.use_step(connection, known.account.id, step)

    async def _open(
        self,
        connection: AsyncConnection,
        account: Account,
        address: str,
        agent: str,
        *,
        kind: Kind = Kind.SIGN_IN,
        changed: list[str] | None = None,
    ) -> str:
        """Open a session under a new token: one that was there before would be known to who put it there."""
        token, now = secrets.token_urlsafe(_TOKEN_BYTES), self.clock()
        hashed = hash_of(token)
        await sessions.open_one(connection, hashed, account.id, now, now + self._lifetime, address, agent[:_AGENT_MAX])
        await trail.record(
            connection,
            Entry(
                at=now, staff_id=account.id, who=account.email, role=account.role, session=hashed.hex()[:8],
                address=address, kind=kind, subject_kind="staff", subject_id=str(account.id),
                detail={"changed": changed} if changed else {},
            ),
        )  # fmt: skip
        return token


def hash_of(token: str) -> bytes:
    """What is stored of a session's or a link's token."""
    return hashlib.sha256(token.encode()).digest()


def _by_address(address: str) -> bytes:
    return attempts.by_address(network_of(address))


def _refused(known: Credentials | None, address: str, now: datetime) -> Entry:
    """What was typed as an account that there is not may be a password: it is not recorded."""
    id: UUID | None = None if known is None else known.account.id
    return Entry(
        at=now, staff_id=id, who="unknown" if known is None else known.account.email, address=address,
        kind=Kind.SIGN_IN_REFUSED, subject_kind="staff", subject_id="unknown" if id is None else str(id),
    )  # fmt: skip
