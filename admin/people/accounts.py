"""Signing in, sessions, and a person's own credentials."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.people import authenticator
from admin.people.entrance import Entrance, NotAdmitted, Throttled, hash_of
from admin.people.passwords import Passwords
from admin.people.permissions import lower
from admin.people.person import Person
from admin.people.vault import Vault
from admin.trail.trail import record
from billing.access.roles import Role
from runtime.clock import utc_now
from storage.staff import accounts, credentials, passkeys, preferences, sessions
from storage.staff.accounts import Account, ListedAccount
from storage.staff.credentials import Credentials
from storage.staff.credentials import Kind as CredentialKind
from storage.staff.passkeys import Passkey
from storage.staff.sessions import ListedSession
from storage.staff.trail import Kind

__all__ = ["Accounts", "LinkOver", "NotAdmitted", "Throttled", "hash_of"]

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


class LinkOver(Exception):
    """The link was used, is too old, or never was one."""


class Accounts:
    """People as the admin process knows them. ``lifetime_s``: after which a session ends, however it is used.
    ``with_password``: the addresses of those who may have a password; ``None``: everybody. ``vault``: for the secrets of
    authenticators.

    Every method raises the errors of Postgres while it is unavailable: nobody can sign in then.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        lifetime_s: int,
        clock: Callable[[], datetime] = utc_now,
        with_password: Collection[str] | None = None,
        vault: Vault | None = None,
    ) -> None:
        self._engine = engine
        self._passwords = Passwords()
        self._with_password = with_password
        self._vault = vault or Vault()
        self.clock = clock
        self.entrance = Entrance(engine, timedelta(seconds=lifetime_s), clock)

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
            id=found.staff_id, email=found.email, name=found.name, role=lower(found.role, found.role_at_most),
            account_role=found.role, session=hashed.hex()[:8], token=token, address=address,
            authenticated_at=found.authenticated_at, language=found.language, zone=found.zone,
        )  # fmt: skip

    async def sign_in(self, email: str, password: str, code: str, address: str, agent: str) -> str:
        """Open a session; returns its token. Raises :class:`NotAdmitted` and :class:`Throttled`: the same, and in the
        same time, for accounts that there are not."""
        email, now = email.strip().lower(), self.clock()
        attempt = await self.entrance.count(email, address)
        async with self._engine.connect() as connection:
            known = await credentials.of_email(connection, email)
        step = await self._step(known, password, code, now)
        async with self._engine.begin() as connection:
            if known is None or step is None or not await self._is_unused(connection, known, step):
                await self.entrance.refuse(connection, None if known is None else known.account, address)
                token = None
            else:
                await self.entrance.succeeded(connection, attempt)
                await self._seal_anew(connection, known)
                token = await self.entrance.open(connection, known.account, address, agent)
        if token is None:
            raise NotAdmitted
        log.info("signed in", staff=str(known.account.id) if known else None, address=address)
        return token

    async def confirm(self, person: Person, code: str) -> None:
        """The person shows the second factor again. Raises :class:`NotAdmitted` and :class:`Throttled`."""
        now = self.clock()
        attempt = await self.entrance.count(person.email, person.address)
        async with self._engine.begin() as connection:
            known = await credentials.of_person(connection, person.id)
            step = None if known is None or known.totp is None else self._step_of(known.totp, code, now)
            admitted = step is not None and await credentials.use_step(connection, person.id, step)
            if admitted:
                await self.entrance.succeeded(connection, attempt)
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
        attempt = await self.entrance.count(person.email, person.address)
        async with self._engine.connect() as connection:
            known = await credentials.of_person(connection, person.id)
        if known is not None and known.totp is None and known.has_second_factor and person.is_fresh(now):
            step = 0 if await self.is_right(known, old) else None  # the passkey was shown just now
        else:
            step = await self._step(known, old, code, now)
        hashed = await self._passwords.hash(new)
        async with self._engine.begin() as connection:
            admitted = known is not None and step is not None and await self._is_unused(connection, known, step)
            if admitted:
                await self.entrance.succeeded(connection, attempt)
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
        if account is None or not self.may_have_password(account.email):
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
                await credentials.set_one(
                    connection, account.id, CredentialKind.TOTP, self._vault.seal(secret), now, step
                )
            await sessions.end_all(connection, account.id, now)
            changed = ["password"] if step is None else ["password", "authenticator"]
            if await passkeys.remove_all(connection, account.id):
                changed.append("passkeys removed")  # they may be on the phone that is lost
            detail = {"changed": changed}
            return await self.entrance.open(connection, account, address, agent, kind=Kind.CREDENTIAL, detail=detail)

    @property
    def has_passwords(self) -> bool:
        """Whether anybody may sign in with a password."""
        return self._with_password is None or len(self._with_password) > 0

    def may_have_password(self, email: str) -> bool:
        """Whether this person may sign in with a password."""
        return self._with_password is None or email in self._with_password

    async def credentials_of(self, person: Person) -> Credentials | None:
        """What the person has to show."""
        async with self._engine.connect() as connection:
            return await credentials.of_person(connection, person.id)

    async def passkeys_of(self, person: Person) -> list[Passkey]:
        """The person's passkeys, the oldest first."""
        async with self._engine.connect() as connection:
            return await passkeys.of_person(connection, person.id)

    async def prefer(self, person: Person, language: str | None, zone: str | None) -> None:
        """Keep the language and the zone that the person has chosen."""
        async with self._engine.begin() as connection:
            await preferences.prefer(connection, person.id, language, zone)
            await record(connection, person, Kind.STAFF, "staff", person.id, changed=["language", "zone"])

    async def everybody(self) -> list[ListedAccount]:
        """The staff, suspended people last."""
        async with self._engine.connect() as connection:
            return await accounts.list_all(connection)

    async def _step(self, known: Credentials | None, password: str, code: str, now: datetime) -> int | None:
        """The time step of the code, 0 for a viewer without a second factor; ``None``: not admitted. Everything is
        checked, whatever is wrong."""
        if not await self.is_right(known, password) or known is None:
            return None
        if known.totp is None:
            return 0 if known.account.role is Role.VIEWER and not known.has_second_factor else None
        return self._step_of(known.totp, code, now)

    async def _seal_anew(self, connection: AsyncConnection, known: Credentials) -> None:
        """Encrypt the secret with the first key, if it is stored in another way: keys are replaced as people sign in."""
        if known.totp is None or self._vault.is_current(known.totp):
            return
        secret = self._vault.open(known.totp)
        if secret is not None:
            await credentials.replace_data(connection, known.account.id, CredentialKind.TOTP, self._vault.seal(secret))

    def _step_of(self, stored: bytes, code: str, now: datetime) -> int | None:
        secret = self._vault.open(stored)
        return None if secret is None else authenticator.step_of(secret, code, now)

    async def is_right(self, known: Credentials | None, password: str) -> bool:
        """Whether this is the password of somebody who may sign in with one; in the same time whatever is wrong."""
        right = await self._passwords.is_right(None if known is None else known.password, password)
        is_in = known is not None and known.account.suspended_at is None and self.may_have_password(known.account.email)
        return right and is_in

    async def _is_unused(self, connection: AsyncConnection, known: Credentials, step: int) -> bool:
        """Whether nobody has signed in with this code, and the account is still the one that was checked."""
        await accounts.find(connection, known.account.email)  # locks it
        if await credentials.of_person(connection, known.account.id) != known:
            return False
        return known.totp is None or await credentials.use_step(connection, known.account.id, step)
