"""Passkeys of people: asked for, shown, added, removed."""

import hashlib
import secrets
from typing import Final
from uuid import UUID, uuid4

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.people.accounts import Accounts
from admin.people.entrance import NotAdmitted, hash_of
from admin.people.passkeys import ceremony
from admin.people.passkeys.ceremony import ANSWER_WITHIN, Assertion, Creation, PasskeyRefused, Site
from admin.people.person import Person
from admin.trail.trail import record
from billing.access.roles import Role
from storage.staff import accounts as stored
from storage.staff import credentials, passkeys, sessions
from storage.staff.accounts import Account
from storage.staff.credentials import Credentials
from storage.staff.passkeys import Passkey, Purpose
from storage.staff.trail import Kind

log = structlog.get_logger(__name__)

#: Passkeys of a person, and characters of a name.
EACH_MAX: Final = 20
NAME_MAX: Final = 60
_CHALLENGE_BYTES: Final = 32
_BY: Final = "passkey"


class LastFactor(Exception):
    """The passkey is the only second factor of somebody whose role needs one."""


class Passkeys:
    """Every challenge is kept in Postgres until it is answered, once, or is over. Methods raise the errors of Postgres while
    it is unavailable."""

    def __init__(self, engine: AsyncEngine, accounts: Accounts, site: Site) -> None:
        self._engine = engine
        self._accounts = accounts
        self._entrance = accounts.entrance
        self._site = site

    async def ask_to_sign_in(self, email: str, password: str, address: str) -> str:
        """What the browser is asked for, after the password. Raises :class:`NotAdmitted`, also for people without passkeys,
        and :class:`~admin.people.entrance.Throttled`."""
        email = email.strip().lower()
        attempt = await self._entrance.count(email, address)
        async with self._engine.connect() as connection:
            known = await credentials.of_email(connection, email)
        is_right = await self._accounts.is_right(known, password)
        if known is None or not is_right or not known.passkeys:
            async with self._engine.begin() as connection:
                await self._entrance.refuse(connection, None if known is None else known.account, address)
            raise NotAdmitted
        await self._entrance.take_back(attempt)  # the passkey will be the attempt
        return await self._ask(known.account.id, Purpose.SIGN_IN)

    async def sign_in(self, answer: str, address: str, agent: str) -> str:
        """Open a session for whom the challenge was for; returns its token. Raises :class:`NotAdmitted` and
        :class:`~admin.people.entrance.Throttled`."""
        known, refused, assertion = None, None, None
        try:
            assertion = Assertion(answer)
            known = await self._challenged(assertion.challenge, Purpose.SIGN_IN)
        except PasskeyRefused as error:
            refused = error
        attempt = await self._entrance.count(None if known is None else known.account.email, address)
        async with self._engine.begin() as connection:
            if known is not None and assertion is not None:
                try:
                    await self._still(connection, known)
                    passkey = await self._judge(connection, assertion, known.account)
                    await self._entrance.succeeded(connection, attempt)
                    detail = {"by": _BY, "passkey": passkey.name}
                    return await self._entrance.open(connection, known.account, address, agent, detail=detail)
                except PasskeyRefused as error:
                    refused = error
            assert refused is not None
            await self._entrance.refuse(
                connection, None if known is None else known.account, address, by=_BY, why=refused.why
            )
        raise NotAdmitted from refused

    async def ask_to_confirm(self, person: Person) -> str:
        """What the browser is asked for, to confirm. Raises :class:`NotAdmitted` for somebody without passkeys."""
        if not await self._accounts.passkeys_of(person):
            raise NotAdmitted
        return await self._ask(person.id, Purpose.CONFIRM)

    async def confirm(self, person: Person, answer: str) -> None:
        """The person shows a passkey again. Raises :class:`NotAdmitted` and :class:`~admin.people.entrance.Throttled`."""
        attempt = await self._entrance.count(person.email, person.address)
        try:
            assertion = Assertion(answer)
            known = await self._challenged(assertion.challenge, Purpose.CONFIRM, person)
            async with self._engine.begin() as connection:
                await self._judge(connection, assertion, known.account)
                await self._entrance.succeeded(connection, attempt)
                await sessions.note_authenticated(connection, hash_of(person.token), self._accounts.clock())
        except PasskeyRefused as refused:
            await self._refuse(person, refused)
            raise NotAdmitted from refused

    async def ask_to_add(self, person: Person) -> str:
        """What the browser is asked for, to make a passkey. Raises :class:`NotAdmitted` for somebody who has enough."""
        existing = await self._accounts.passkeys_of(person)
        if len(existing) >= EACH_MAX:
            raise NotAdmitted
        challenge = await self._challenge(person.id, Purpose.ADD)
        return ceremony.creation(self._site, challenge, person.id, person.email, person.name, existing)

    async def add(self, person: Person, name: str, answer: str) -> None:
        """Add the passkey that the browser has made. Raises :class:`NotAdmitted`."""
        try:
            await self._add(person, name, Creation(answer))
        except PasskeyRefused as refused:
            await self._refuse(person, refused)
            raise NotAdmitted from refused

    async def _add(self, person: Person, name: str, creation: Creation) -> None:
        await self._challenged(creation.challenge, Purpose.ADD, person)
        created = creation.verified(self._site)
        passkey = Passkey(
            id=uuid4(), staff_id=person.id, name=name, credential_id=created.credential_id,
            public_key=created.public_key, sign_count=created.sign_count, created_at=self._accounts.clock(),
        )  # fmt: skip
        async with self._engine.begin() as connection:
            await stored.find(connection, person.email)  # locks it
            if not await passkeys.add(connection, passkey):
                raise PasskeyRefused("passkey", "it is known already")
            await record(connection, person, Kind.CREDENTIAL, "staff", person.id, changed=["passkey"], added=name)

    async def remove(self, person: Person, id: UUID) -> None:
        """Remove one of the person's passkeys; one that there is not stays away. Raises :class:`LastFactor`."""
        async with self._engine.begin() as connection:
            await stored.find(connection, person.email)  # locks it: of two that are removed at once one may be the last
            known = await credentials.of_person(connection, person.id)
            if known is not None and self.is_last_factor(person, known):
                raise LastFactor
            name = await passkeys.remove(connection, person.id, id)
            if name is not None:
                await record(connection, person, Kind.CREDENTIAL, "staff", person.id, changed=["passkey"], removed=name)

    def is_last_factor(self, person: Person, known: Credentials) -> bool:
        """Whether the person could not sign in any more without their only passkey."""
        needs_one = known.account.role is not Role.VIEWER and self._accounts.may_have_password(person.email)
        return needs_one and known.totp is None and known.passkeys == 1

    async def _ask(self, id: UUID, purpose: Purpose) -> str:
        challenge = await self._challenge(id, purpose)
        async with self._engine.connect() as connection:
            return ceremony.request(self._site, challenge, await passkeys.of_person(connection, id))

    async def _challenge(self, id: UUID, purpose: Purpose) -> bytes:
        challenge, now = secrets.token_bytes(_CHALLENGE_BYTES), self._accounts.clock()
        async with self._engine.begin() as connection:
            await passkeys.ask(connection, _hash(challenge), id, purpose, now, now + ANSWER_WITHIN)
        return challenge

    async def _challenged(self, challenge: bytes, purpose: Purpose, person: Person | None = None) -> Credentials:
        """Use up the challenge, whatever the answer is worth: whom it was for. Raises :class:`PasskeyRefused`."""
        async with self._engine.begin() as connection:
            id = await passkeys.take(connection, _hash(challenge), purpose, self._accounts.clock())
            known = None if id is None else await credentials.of_person(connection, id)
        if known is None or (person is not None and known.account.id != person.id):
            raise PasskeyRefused("challenge", "it was answered, is over, or was for somebody else")
        return known

    async def _still(self, connection: AsyncConnection, known: Credentials) -> None:
        """Lock the account, and see that it is the one that the password was of."""
        account = await stored.find(connection, known.account.email)
        if account.suspended_at is not None or not self._accounts.may_have_password(account.email):
            raise PasskeyRefused("account", "it may not sign in any more")

    async def _judge(self, connection: AsyncConnection, assertion: Assertion, account: Account) -> Passkey:
        """The passkey that has signed; its count is noted. Raises :class:`PasskeyRefused`."""
        existing = await passkeys.of_person(connection, account.id)
        passkey, sign_count = assertion.verified(self._site, existing)
        if not await passkeys.note_used(connection, passkey, sign_count, self._accounts.clock()):
            raise PasskeyRefused("sign_count", "it was used at the same time")
        return passkey

    async def _refuse(self, person: Person, refused: PasskeyRefused) -> None:
        log.warning("passkey refused", staff=str(person.id), why=refused.why, error=str(refused))
        async with self._engine.begin() as connection:
            await record(connection, person, Kind.SIGN_IN_REFUSED, "staff", person.id, by=_BY, why=refused.why)


def _hash(challenge: bytes) -> bytes:
    return hashlib.sha256(challenge).digest()
