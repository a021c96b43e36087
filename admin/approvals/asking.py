"""Ask for a second person."""

from sqlalchemy.ext.asyncio import AsyncEngine

from admin.people.person import Person
from admin.trail.trail import record
from storage import approvals
from storage.staff.trail import Kind


async def ask_second(engine: AsyncEngine, person: Person, subject: str, request: approvals.Request) -> None:
    """Record the request and its entry of the trail, once however often the form is sent. ``subject``: the kind of what it is
    about, as the trail has it."""
    async with engine.begin() as connection:
        if await approvals.ask(connection, request):
            await record(
                connection, person, Kind.APPROVAL, subject, request.subject_id, reason=request.reason,
                action=request.action, approval=str(request.id), asked="asked", amount=request.amount,
                currency=request.currency,
            )  # fmt: skip
