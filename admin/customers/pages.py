"""The page of one customer, the contacts that somebody reveals, and the notes that people write."""

from datetime import datetime
from hashlib import sha256
from typing import Annotated, Final
from urllib.parse import quote
from uuid import UUID, uuid4, uuid5

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response

from admin.customers.reading import NOTES, Story, read_story
from admin.masking import masked_contact, masked_title
from admin.pages import PageRoute, page, read_form, see_other
from admin.payments.actions import NOTE_MAX, REASON_MAX, InvalidForm, checked_note, checked_reason
from admin.payments.sentences import STATES as PAYMENT_STATES
from admin.people.guard import require, trail_of
from admin.people.permissions import Permission
from admin.people.person import Person
from admin.subscriptions.sentences import METHODS, STATES, cadence_words, sentence
from admin.trail.trail import record
from billing.subscriptions.decision import snapshot
from runtime.clock import utc_now
from storage import customer_notes
from storage.customer_notes import CustomerNote
from storage.customers import TOTALLED
from storage.payments.search import Place
from storage.staff import trail
from storage.staff.trail import Kind

HOME: Final = "/customers"
REVEAL: Final = "/contacts/reveal"
NOTE: Final = "/notes/add"
#: Entries of the trail on a page.
SEEN: Final = 20

Reader = Annotated[Person, require(Permission.READ)]
Revealer = Annotated[Person, require(Permission.REVEAL)]
Writer = Annotated[Person, require(Permission.ASK)]


def customer_pages(engine: AsyncEngine) -> APIRouter:
    """The routes. An id is the shop's own: it may have a slash."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response)
    pages = CustomerPages(engine)
    router.add_api_route(f"{HOME}/{{customer_id:path}}", pages.show, methods=["GET"])
    router.add_api_route(REVEAL, pages.reveal, methods=["POST"])
    router.add_api_route(NOTE, pages.note, methods=["POST"])
    return router


class CustomerPages:
    """Handlers of the pages."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def show(
        self,
        request: Request,
        customer_id: str,
        person: Reader,
        after_at: datetime | None = None,
        after_id: UUID | None = None,
    ) -> Response:
        """The customer's page. Who looked is on the trail."""
        after = None if after_at is None or after_id is None or after_at.tzinfo is None else Place(after_at, after_id)
        story = await read_story(self._engine, customer_id, after, utc_now())
        await trail_of(request).note(person, Kind.VIEW, "customer", customer_id)
        return await self._show(request, person, story, is_first=after is None)

    async def reveal(self, request: Request, person: Revealer) -> Response:
        """The same page with the contacts as they are. It is on the trail before the answer is sent: who, why, and which
        fields, never their content."""
        form = await read_form(request)
        story = await read_story(self._engine, form.one("customer_id"), None, utc_now())
        try:
            reason = checked_reason(form.one("reason"))
        except InvalidForm as error:
            return await self._show(request, person, story, wrong=str(error))
        fields = sorted({name for c in story.contacts for name in ("email", "phone") if getattr(c, name)})
        await trail_of(request).note(person, Kind.REVEAL, "customer", story.customer_id, reason=reason, fields=fields)
        return await self._show(request, person, story, is_revealed=True)

    async def note(self, request: Request, person: Writer) -> Response:
        """Write a note about the customer, and that it was written on the trail: both, or neither. The form sent twice is one
        note."""
        form = await read_form(request)
        story = await read_story(self._engine, form.one("customer_id"), None, utc_now())
        typed = form.one("note")
        try:
            written = checked_note(typed)
        except InvalidForm as error:
            return await self._show(request, person, story, wrong_note=str(error), typed=typed)
        id = uuid5(person.id, f"{story.customer_id}\n{form.one('key')}\n{written}")
        note = CustomerNote(id, story.customer_id, utc_now(), person.email, written)
        async with self._engine.begin() as connection:
            if await customer_notes.add(connection, note):
                digest = sha256(written.encode()).hexdigest()
                await record(
                    connection, person, Kind.COMMAND, "customer", note.customer_id, action="note", note=str(id), sha256=digest
                )  # fmt: skip
        return see_other(f"{HOME}/{quote(story.customer_id)}#notes")

    async def _show(
        self,
        request: Request,
        person: Person,
        story: Story,
        *,
        is_first: bool = True,
        is_revealed: bool = False,
        wrong: str | None = None,
        wrong_note: str | None = None,
        typed: str = "",
    ) -> Response:
        seen = []
        if person.may(Permission.TRAIL):
            async with self._engine.connect() as connection:
                seen = await trail.latest(connection, SEEN, subject=("customer", story.customer_id))
        contacts = [
            [value for value in (contact.email, contact.phone) if value] if is_revealed else masked_contact(contact)
            for contact in story.contacts
        ]
        return page(
            request,
            "customers/customer.html",
            200 if wrong is None and wrong_note is None else 422,
            story=story,
            totalled=TOTALLED,
            subscriptions=[
                (snapshot(s), sentence(snapshot(s)), cadence_words(s.price.cadence)) for s in story.subscriptions
            ],
            contacts=contacts,
            is_revealed=is_revealed,
            may_reveal=person.may(Permission.REVEAL),
            wrong=wrong,
            notes_shown=NOTES,
            may_note=person.may(Permission.ASK),
            note_max=NOTE_MAX,
            wrong_note=wrong_note,
            typed=typed,
            key=uuid4(),
            seen=seen,
            is_first=is_first,
            reason_max=REASON_MAX,
            masked_title=masked_title,
            method_states=METHODS,
            subscription_states=STATES,
            states={status.value: state for status, state in PAYMENT_STATES.items()},
        )
