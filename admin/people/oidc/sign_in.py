"""Sessions of people whom the OpenID provider has identified."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.people.accounts import Accounts
from admin.people.entrance import Attempt, hash_of
from admin.people.oidc.journey import Journey
from admin.people.oidc.refusals import NotIdentified, Why
from admin.people.oidc.token import LEEWAY_S, Identity, values_of
from admin.people.person import Person
from admin.trail.trail import record
from billing.access.roles import Role
from runtime.settings import SignInSettings
from storage.staff import accounts as stored
from storage.staff import identities, sessions, trail
from storage.staff.accounts import Account, AccountRefused
from storage.staff.trail import Entry, Kind

log = structlog.get_logger(__name__)

_BY: Final = "openid"


class OidcSignIn:
    """Finds the account of an identity. The role is the account's; a claim can lower it for the session."""

    def __init__(self, engine: AsyncEngine, accounts: Accounts, settings: SignInSettings) -> None:
        self._engine = engine
        self._entrance = accounts.entrance
        self._clock = accounts.clock
        self._issuer = settings.admin_oidc_issuer
        self._claim = settings.admin_oidc_role_claim
        self._roles = {value: Role(role) for value, role in settings.admin_oidc_roles.items()}

    async def count(self, address: str) -> Attempt:
        """Count a return from the provider before it is judged: whose it is, nothing says yet. Raises
        :class:`~admin.people.entrance.Throttled`."""
        return await self._entrance.count(None, address)

    async def take_back(self, attempt: Attempt) -> None:
        """The provider failed, not the person."""
        await self._entrance.take_back(attempt)

    async def refuse(self, refused: NotIdentified, address: str) -> None:
        """Record that nobody was let in, before it is known whom the provider has identified."""
        async with self._engine.begin() as connection:
            await self._entrance.refuse(connection, None, address, by=_BY, why=refused.why)

    async def sign_in(self, identity: Identity, attempt: Attempt, address: str, agent: str) -> str:
        """Open a session for whom the provider has identified; returns its token. The first time, the verified address finds
        the account, which is fixed to the subject from then on. Raises :class:`NotIdentified`, which is on the trail."""
        async with self._engine.begin() as connection:
            account, is_new = await self._account(connection, identity)
            why = self._refusal(account, identity)
            if why is None and account is not None:
                why = await self._link(connection, account, identity, address) if is_new else None
            if why is None and account is not None:
                await self._entrance.succeeded(connection, attempt)
                now = self._clock()
                return await self._entrance.open(
                    connection, account, address, agent, detail={"by": _BY}, role_at_most=self._ceiling(identity.claims),
                    authenticated_at=min(now, identity.authenticated_at or now),
                )  # fmt: skip
            assert why is not None
            named = {} if account is not None or identity.email is None else {"email": identity.email}
            await self._entrance.refuse(connection, account, address, by=_BY, why=why, **named)
        raise NotIdentified(why)

    async def confirm(self, person: Person, identity: Identity, journey: Journey, attempt: Attempt) -> None:
        """The person has signed in at the provider anew. Raises :class:`NotIdentified`, which is on the trail."""
        # A browser that is still signed in there comes back without anybody in front of it.
        begun, at = journey.begun - LEEWAY_S, identity.authenticated_at
        async with self._engine.begin() as connection:
            account = await identities.find(connection, self._issuer, identity.subject)
            if account is None or account.id != person.id or journey.session != person.session:
                why = Why.OTHER_PERSON
            elif at is None or at.timestamp() < begun or at > self._clock() + timedelta(seconds=LEEWAY_S):
                why = Why.NOT_AGAIN
            else:
                await self._entrance.succeeded(connection, attempt)
                await sessions.note_authenticated(connection, hash_of(person.token), min(at, self._clock()))
                return
            await record(connection, person, Kind.SIGN_IN_REFUSED, "staff", person.id, by=_BY, why=why)
        raise NotIdentified(why)

    async def _account(self, connection: AsyncConnection, identity: Identity) -> tuple[Account | None, bool]:
        """The account, and whether it was found by its address; both are looked for, and locked."""
        account = await identities.find(connection, self._issuer, identity.subject)
        if account is not None or identity.email is None:
            return account, False
        try:
            return await stored.find(connection, identity.email), True
        except AccountRefused:
            return None, True

    def _refusal(self, account: Account | None, identity: Identity) -> Why | None:
        if account is None:
            return Why.EMAIL if identity.email is None else Why.UNKNOWN
        if account.suspended_at is not None:
            return Why.SUSPENDED
        if self._claim and self._ceiling(identity.claims) is None:
            return Why.ROLE
        return None

    async def _link(
        self, connection: AsyncConnection, account: Account, identity: Identity, address: str
    ) -> Why | None:
        now = self._clock()
        if not await identities.link(connection, account.id, self._issuer, identity.subject, now):
            return Why.SUBJECT
        detail = {"changed": ["linked to the OpenID provider"], "issuer": self._issuer, "subject": identity.subject}
        await trail.record(
            connection,
            Entry(
                at=now, staff_id=account.id, who=account.email, role=account.role, address=address,
                kind=Kind.CREDENTIAL, subject_kind="staff", subject_id=str(account.id), detail=detail,
            ),
        )  # fmt: skip
        return None

    def _ceiling(self, claims: Mapping[str, Any]) -> Role | None:
        """The highest role that the claim has; ``None``: it has none, or is not looked at."""
        values = values_of(claims, self._claim) if self._claim else frozenset()
        return max(
            (role for value, role in self._roles.items() if value in values), key=tuple(Role).index, default=None
        )
