"""The person behind a request."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from admin.people.permissions import MATRIX, Permission
from billing.access.roles import Role

#: How long after showing the second factor a person may do what asks for it again.
FRESH_FOR: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who is signed in. ``session``: the first eight hex digits of its id; ``token``: the cookie's value, which
    nobody else knows; ``address``: where the request came from. ``authenticated_at``: when the second factor was last
    shown (UTC). ``role`` is that of the session; ``account_role``: the account's, where a ceiling made the session's another.
    ``language``, ``zone``: in which they read pages; ``None``: they have not chosen."""

    id: UUID
    email: str
    name: str
    role: Role
    session: str
    token: str = field(repr=False)
    address: str
    authenticated_at: datetime
    language: str | None = None
    zone: str | None = None
    account_role: Role | None = None

    def may(self, permission: Permission) -> bool:
        """Whether the person's role has the permission, and the account's too: viewers see reports, and support does not."""
        return {self.role, self.account_role or self.role} <= MATRIX[permission]

    def is_fresh(self, now: datetime) -> bool:
        """Whether the second factor was shown lately."""
        return now - self.authenticated_at < FRESH_FOR
