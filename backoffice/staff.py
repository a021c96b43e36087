"""People on the staff: add, list, change their role, suspend, let them choose a password again."""

import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import msgspec
from email_validator import EmailNotValidError, validate_email
from sqlalchemy.ext.asyncio import AsyncConnection

from backoffice.operators import ActionRefused, InvalidArgument, Operator, recorded
from billing.access.roles import Role
from runtime.clock import utc_now
from runtime.postgres import connected
from runtime.settings import AdminSettings, PostgresSettings
from storage.staff import accounts, credentials, identities, sessions, trail
from storage.staff.accounts import Account, AccountRefused, ListedAccount
from storage.staff.trail import Entry, Kind

#: How long a link can be used.
LINK_FOR: Final = timedelta(hours=1)
NAME_MAX: Final = 200
_TOKEN_BYTES: Final = 32


class IssuedLink(msgspec.Struct, frozen=True):
    """A link with which the person chooses a password, once, until ``expires_at`` (UTC). Whoever has ``url``
    becomes that person; without ``BILLING_ADMIN_URL`` it begins with the path."""

    email: str
    role: Role
    url: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"IssuedLink(email={self.email!r})"


async def add(settings: AdminSettings, operator: Operator, email: str, name: str, role: Role) -> IssuedLink | None:
    """Add a person; they choose a password with the link. Without one they sign in at the OpenID provider.

    Raises :class:`InvalidArgument` for an address or a name that is not valid, :class:`ActionRefused` if the address is on
    the staff.
    """
    email, name = _valid_email(email), name.strip()
    if not name or len(name) > NAME_MAX:
        raise InvalidArgument(f"a name has 1 to {NAME_MAX} characters")
    now = utc_now()
    account = Account(id=uuid4(), email=email, name=name, role=role, created_at=now, suspended_at=None)
    async with _changing(settings, operator, "add_staff", email) as (connection, details):
        await accounts.add(connection, account, operator.actor)
        details |= {"role": role}
        if not _may_have_password(settings, account):
            return None
        return await _linked(settings, connection, account, now)


async def list_all(settings: PostgresSettings) -> list[ListedAccount]:
    """Everybody, suspended people last."""
    async with connected(settings) as engine, engine.connect() as connection:
        return await accounts.list_all(connection)


async def link(settings: AdminSettings, operator: Operator, email: str) -> IssuedLink:
    """Let a person choose a new password and set up an authenticator anew. What they have stays valid until they use the
    link; earlier links end. Raises :class:`ActionRefused` for somebody who is not on the staff, or suspended, or signs in
    at the OpenID provider."""
    async with _changing(settings, operator, "link_staff", _plain(email)) as (connection, _):
        account = await accounts.find(connection, _plain(email))
        if account.suspended_at is not None:
            raise ActionRefused(f"{account.email} is suspended: let them in again first")
        if not _may_have_password(settings, account):
            raise ActionRefused(
                f"{account.email} signs in at {settings.admin_oidc_issuer}; for a password name them in "
                "BILLING_ADMIN_BREAK_GLASS"
            )
        return await _linked(settings, connection, account, utc_now())


async def set_role(settings: AdminSettings, operator: Operator, email: str, role: Role) -> IssuedLink | None:
    """Change a person's role; their sessions end. Returns a link where the role needs an authenticator and the person has
    none. Raises :class:`ActionRefused` for somebody who is not on the staff."""
    now = utc_now()
    async with _changing(settings, operator, "set_staff_role", _plain(email)) as (connection, details):
        account = await accounts.find(connection, _plain(email))
        details |= {"from": account.role, "to": role}
        await accounts.set_role(connection, account.id, role)
        await sessions.end_all(connection, account.id, now)
        known = await credentials.of_person(connection, account.id)
        if role is Role.VIEWER or known is None or known.has_second_factor or account.suspended_at is not None:
            return None
        if not _may_have_password(settings, account):
            return None
        return await _linked(settings, connection, msgspec.structs.replace(account, role=role), now)


async def suspend(settings: AdminSettings, operator: Operator, email: str) -> None:
    """Let a person in no more: their sessions and links end at once. Raises :class:`ActionRefused` for somebody who is
    not on the staff."""
    now = utc_now()
    async with _changing(settings, operator, "suspend_staff", _plain(email)) as (connection, details):
        account = await accounts.find(connection, _plain(email))
        if account.suspended_at is None:
            await accounts.set_suspended(connection, account.id, now)
        await accounts.end_links(connection, account.id, now)
        details["ended"] = await sessions.end_all(connection, account.id, now)


async def restore(settings: AdminSettings, operator: Operator, email: str) -> None:
    """Let a suspended person in again, with the password and authenticator that they had. Raises :class:`ActionRefused`
    for somebody who is not on the staff."""
    async with _changing(settings, operator, "restore_staff", _plain(email)) as (connection, _):
        account = await accounts.find(connection, _plain(email))
        await accounts.set_suspended(connection, account.id, None)


async def unlink(settings: AdminSettings, operator: Operator, email: str) -> None:
    """Forget as whom the OpenID provider knows a person, after their account there was made anew: their sessions end, and
    the next sign-in with their verified address links them again. Raises :class:`ActionRefused` for somebody who is not on
    the staff, or not linked."""
    async with _changing(settings, operator, "unlink_staff", _plain(email)) as (connection, details):
        account = await accounts.find(connection, _plain(email))
        if not await identities.unlink(connection, account.id):
            raise ActionRefused(f"{account.email} is not linked to an OpenID provider")
        details["ended"] = await sessions.end_all(connection, account.id, utc_now())


def _may_have_password(settings: AdminSettings, account: Account) -> bool:
    return settings.with_password is None or account.email in settings.with_password


def _valid_email(email: str) -> str:
    try:
        return validate_email(email.strip(), check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError as error:
        raise InvalidArgument(f"{email!r} is no e-mail address: {error}") from error


def _plain(email: str) -> str:
    return email.strip().lower()


async def _linked(settings: AdminSettings, connection: AsyncConnection, account: Account, now: datetime) -> IssuedLink:
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    expires_at = now + LINK_FOR
    await accounts.add_link(connection, account.id, hashlib.sha256(token.encode()).digest(), now, expires_at)
    return IssuedLink(account.email, account.role, f"{settings.admin_url.rstrip('/')}/welcome/{token}", expires_at)


@asynccontextmanager
async def _changing(
    settings: AdminSettings, operator: Operator, action: str, email: str
) -> AsyncIterator[tuple[AsyncConnection, dict[str, Any]]]:
    """A transaction that changes accounts, with the details of its record; it is on the trail too."""
    async with (
        connected(settings) as engine,
        recorded(engine, operator, action, "staff", email) as record,
        engine.begin() as connection,
    ):
        try:
            yield connection, record.details
        except AccountRefused as error:
            raise ActionRefused(str(error)) from error
        await record.complete(connection)
        await trail.record(
            connection,
            Entry(
                at=utc_now(), who=operator.actor, kind=Kind.STAFF, subject_kind="staff", subject_id=email,
                reason=operator.reason, detail={"action": action, **record.details},
            ),
        )  # fmt: skip
