"""Attempts to sign in, counted by account and by address for all processes together."""

import hashlib
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

#: Failures after which an account is blocked, and an address, which a whole office may share; and for how long: twice as
#: long after each further one.
ACCOUNT_MAX: Final = 5
ADDRESS_MAX: Final = 20
BLOCK_FIRST: Final = timedelta(minutes=1)
BLOCK_MAX: Final = timedelta(hours=1)
#: What is older is forgotten.
KEPT: Final = timedelta(days=1)

#: Counts the attempt as failed before it is judged: of many at the same time no more than the limit are judged. A row
#: that is blocked is left alone and not returned.
_COUNT = text(
    """
    INSERT INTO sign_in_attempts AS a (subject, failures, last_at) VALUES (:subject, 1, :now)
    ON CONFLICT (subject) DO UPDATE SET
        failures = CASE WHEN a.last_at < :forgotten THEN 1 ELSE a.failures + 1 END,
        last_at = :now,
        blocked_until = CASE WHEN a.last_at >= :forgotten AND a.failures + 1 >= :failures_max THEN
            :now + least(:block_first * power(2, least(a.failures + 1 - :failures_max, 16)), :block_max)
                   * interval '1 second' END
    WHERE a.blocked_until IS NULL OR a.blocked_until <= :now
    RETURNING failures
    """
)
_BLOCKED = text("SELECT blocked_until FROM sign_in_attempts WHERE subject = :subject")
_FORGET = text("DELETE FROM sign_in_attempts WHERE subject = :subject OR last_at < :forgotten")
_TAKE_BACK = text("UPDATE sign_in_attempts SET failures = failures - 1, blocked_until = NULL WHERE subject = :subject")


def by_account(email: str) -> bytes:
    """What an account's attempts are counted by; what was typed is not kept."""
    return hashlib.sha256(f"account:{email}".encode()).digest()


def by_address(network: str) -> bytes:
    """What the attempts from a network are counted by."""
    return hashlib.sha256(f"address:{network}".encode()).digest()


async def count(connection: AsyncConnection, account: bytes | None, address: bytes, now: datetime) -> datetime | None:
    """Count an attempt as failed, in a transaction of its own. Returns until when the first blocked subject is blocked:
    then nothing may be judged, and the caller rolls back. ``account``: ``None`` where nothing says whose it is."""
    values = {
        "now": now, "forgotten": now - KEPT,
        "block_first": BLOCK_FIRST.total_seconds(), "block_max": BLOCK_MAX.total_seconds(),
    }  # fmt: skip
    for one, most in ((account, ACCOUNT_MAX), (address, ADDRESS_MAX)):
        if one is None:
            continue
        if (await connection.execute(_COUNT, values | {"subject": one, "failures_max": most})).first() is None:
            until: datetime = (await connection.execute(_BLOCKED, {"subject": one})).scalar_one()
            return until
    return None


async def succeeded(connection: AsyncConnection, account: bytes | None, address: bytes, now: datetime) -> None:
    """Forget the failures of the account, and take back the attempt of the address: other accounts may be guessed from
    there."""
    await connection.execute(_FORGET, {"subject": account, "forgotten": now - KEPT})
    await take_back(connection, None, address)


async def take_back(connection: AsyncConnection, account: bytes | None, address: bytes) -> None:
    """The attempt was no failure, and nobody has signed in by it yet."""
    for one in (account, address):
        await connection.execute(_TAKE_BACK, {"subject": one})
