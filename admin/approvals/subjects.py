"""What the pages of approvals have to know of a kind of subject."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.requests import Request
from starlette.responses import Response

from admin.people.person import Person
from backoffice.operators import ActionRefused
from billing.messages import Approval as Consent
from runtime.clock import utc_now
from storage import approvals
from storage.approvals import Approval

#: Records the decision of this time (UTC) and its entry of the trail in a transaction. Raises :class:`Impossible`.
Decide = Callable[[AsyncConnection, datetime], Awaitable[None]]


class Impossible(ActionRefused):
    """It cannot be approved so; nothing was done. ``why``: in a word, for the trail; the message is for the reader."""

    def __init__(self, why: str, said: str) -> None:
        super().__init__(said)
        self.why = why


class Subject(Protocol):
    """A kind of subject."""

    @property
    def kind(self) -> str:
        """As the trail has it."""

    @property
    def changed(self) -> str:
        """The sentence that it is not any more what the request was of, as N_ marked it."""

    def label(self, found: Approval) -> str:
        """What is asked for, as N_ marked it."""

    async def read(self, found: Approval) -> Any:
        """The subject as it is now. Raises :class:`~runtime.http.problems.ProblemError` 404."""

    def is_same(self, found: Approval, subject: Any) -> bool:
        """Whether approving it would do now what was asked for."""

    async def shown(self, found: Approval, subject: Any) -> dict[str, Any]:
        """What the part of the page shows that is the kind's own: ``approvals/KIND.html``."""

    async def approve(self, request: Request, person: Person, found: Approval, decide: Decide) -> Response:
        """Decide, and carry it out. Raises :class:`Impossible`."""

    async def send(self, request: Request, person: Person, found: Approval) -> Response:
        """Carry out what is approved, where that was cut off. Raises :class:`Impossible`."""


async def approved(engine: AsyncEngine, found: Approval, decide: Decide) -> Approval:
    """The request once the decision is stored. Raises :class:`Impossible`."""
    async with engine.begin() as connection:
        await decide(connection, utc_now())
        after = await approvals.find(connection, found.id)
    assert after is not None, "no request is ever deleted"
    return after


def consent_of(found: Approval) -> Consent:
    """The approval as it travels in the command."""
    assert found.decision == approvals.APPROVED, "the pages have checked it"
    assert found.decided_by is not None
    assert found.decided_at is not None
    return Consent(found.id, found.decided_by, found.decided_at)
