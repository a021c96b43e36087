"""What every way of signing in has in common: attempts are counted, refusals recorded, sessions opened."""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.access.roles import Role
from runtime.http.credentials import network_of
from storage.staff import attempts, sessions, trail
from storage.staff.accounts import Account
from storage.staff.trail import Entry, Kind

log = structlog.get_logger(__name__)

#: Characters that are kept of a browser's own description.
_AGENT_MAX: Final = 300
_TOKEN_BYTES: Final = 32


class NotAdmitted(Exception):
    """The account, the password or the second factor is wrong. The answer does not say which."""


class Throttled(Exception):
    """There were too many failed attempts. ``wait_s``: seconds until the next may be made."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"try again after {wait_s} s")
        self.wait_s = wait_s


@dataclass(frozen=True)
class Attempt:
    """An attempt that is counted as failed: by the account, where it is known, and by the address."""

    account: bytes | None
    address: bytes


class Entrance:
    """Attempts and sessions. ``lifetime``: after which a session ends, however it is used."""

    def __init__(self, engine: AsyncEngine, lifetime: timedelta, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._lifetime = lifetime
        self._clock = clock

    async def count(self, email: str | None, address: str) -> Attempt:
        """Count an attempt before it is judged. Raises :class:`Throttled`."""
        account = None if email is None else attempts.by_account(email)
        attempt, now = Attempt(account, attempts.by_address(network_of(address))), self._clock()
        async with self._engine.connect() as connection:
            until = await attempts.count(connection, attempt.account, attempt.address, now)
            if until is not None:
                log.warning("sign-in throttled", address=address)
                raise Throttled(max(1, round((until - now).total_seconds())))
            await connection.commit()
        return attempt

    async def succeeded(self, connection: AsyncConnection, attempt: Attempt) -> None:
        """The attempt was none of a guesser."""
        await attempts.succeeded(connection, attempt.account, attempt.address, self._clock())

    async def take_back(self, attempt: Attempt) -> None:
        """The attempt was no failure, and nobody has signed in by it."""
        async with self._engine.begin() as connection:
            await attempts.take_back(connection, attempt.account, attempt.address)

    async def open(
        self,
        connection: AsyncConnection,
        account: Account,
        address: str,
        agent: str,
        *,
        kind: Kind = Kind.SIGN_IN,
        detail: Mapping[str, Any] | None = None,
        role_at_most: Role | None = None,
        authenticated_at: datetime | None = None,
    ) -> str:
        """Open a session under a new token: one that was there before would be known to who put it there. As the last
        statement of the transaction, because it is on the trail. ``authenticated_at``: when the person was last seen to be
        there, if that is not now."""
        token, now = secrets.token_urlsafe(_TOKEN_BYTES), self._clock()
        hashed = hash_of(token)
        await sessions.open_one(
            connection, hashed, account.id, now, now + self._lifetime, address, agent[:_AGENT_MAX],
            authenticated_at=authenticated_at or now, role_at_most=role_at_most,
        )  # fmt: skip
        await trail.record(
            connection,
            Entry(
                at=now, staff_id=account.id, who=account.email, role=account.role, session=hashed.hex()[:8],
                address=address, kind=kind, subject_kind="staff", subject_id=str(account.id), detail=detail or {},
            ),
        )  # fmt: skip
        return token

    async def refuse(self, connection: AsyncConnection, account: Account | None, address: str, **detail: str) -> None:
        """Record that somebody was not let in. What was typed as an account that there is not may be a password: it is not
        recorded."""
        log.warning("sign-in refused", address=address, **detail)
        await trail.record(
            connection,
            Entry(
                at=self._clock(), staff_id=None if account is None else account.id,
                who="unknown" if account is None else account.email, address=address, kind=Kind.SIGN_IN_REFUSED,
                subject_kind="staff", subject_id="unknown" if account is None else str(account.id), detail=detail,
            ),
        )  # fmt: skip


def hash_of(token: str) -> bytes:
    """What is stored of a session's or a link's token."""
    return hashlib.sha256(token.encode()).digest()
