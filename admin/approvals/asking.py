"""Ask for a second person."""

from sqlalchemy.ext.asyncio import AsyncEngine

from admin.language import gettext
from admin.payments.actions import InvalidForm
from admin.people.guard import SentElsewhere
from admin.people.person import Person
from admin.trail.trail import record
from runtime.clock import utc_now
from storage import approvals
from storage.approvals import Approval
from storage.staff.trail import Kind


async def ask_second(engine: AsyncEngine, person: Person, subject: str, request: approvals.Request) -> Approval:
    """Record the request and its entry of the trail, once however often the form is sent; the request, which waits.
    ``subject``: the kind of what it is about, as the trail has it. Raises
    :class:`~admin.payments.actions.InvalidForm` where the form asked for something else before, and
    :class:`~admin.people.guard.SentElsewhere` to the request that does not wait any more."""
    async with engine.begin() as connection:
        if await approvals.ask(connection, request):
            await record(
                connection, person, Kind.APPROVAL, subject, request.subject_id, reason=request.reason,
                action=request.action, approval=str(request.id), asked="asked", amount=request.amount,
                currency=request.currency,
            )  # fmt: skip
        stored = await approvals.find(connection, request.id)
    assert stored is not None, "no request is ever deleted"
    if stored.command != request.command:
        raise InvalidForm(
            gettext("Something else was asked for with this form before. To ask for this too, send the form again.")
        )
    if stored.state(utc_now()) != "waiting":
        raise SentElsewhere(f"/approvals/{stored.id}")
    return stored
