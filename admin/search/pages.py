"""The page that finds payments: one box, the newest first."""

from datetime import datetime
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.requests import Request
from starlette.responses import Response

from admin.formatting import local
from admin.language import N_
from admin.pages import PageRoute, page
from admin.payments.sentences import STATES
from admin.people.guard import require, trail_of
from admin.people.permissions import Permission
from admin.people.person import Person
from admin.search.question import MAX_LENGTH, Question, Unclear, parse
from admin.subscriptions.sentences import STATES as SUBSCRIPTION_STATES
from billing.subscriptions.model import Subscription
from billing.vocabulary import PaymentStatus
from providers import registry
from runtime.clock import utc_now
from storage.payments import search
from storage.payments.search import Conditions, Found, Place
from storage.staff.trail import Kind
from storage.subscriptions.rows import load_subscriptions

#: Payments on a page.
SHOWN: Final = 50
HOME: Final = "/payments"
#: What can be typed, and what it finds.
EXAMPLES: Final = (
    ("open", N_("payments that are not finished")),
    ("today", N_("opened today; also yesterday, 25.11, 2026-11-01..2026-11-25, 25.11 10:00..12:00")),
    ("299.00 RUB", N_("an amount; a range as 100..500")),
    ("*4242", N_("the last four digits of the card")),
    ("status:failed provider:NAME", N_("conditions together")),
    ("customer:c-17", N_("all payments of a customer, and the customer's page")),
)


def search_pages(engine: AsyncEngine) -> APIRouter:
    """The routes."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response)

    @router.get(HOME)
    async def show(
        request: Request,
        person: Annotated[Person, require(Permission.READ)],
        q: Annotated[str, Query(max_length=4 * MAX_LENGTH)] = "",
        after_at: datetime | None = None,
        after_id: UUID | None = None,
    ) -> Response:
        after = None if after_at is None or after_id is None or after_at.tzinfo is None else Place(after_at, after_id)
        try:
            question = parse(q, local(utc_now()))
        except Unclear as error:
            return _list(request, q, wrong=str(error), status=422)
        await trail_of(request).note(person, Kind.SEARCH, "payments", "-", by=question.shape)
        async with engine.connect() as connection:
            named = [] if after is not None else await find(connection, question)
            conditions = conditions_of(question, named)
            found = None if conditions is None else await search.scan(connection, conditions, after, SHOWN)
            id = question.id
            subscription = None if id is None else (await load_subscriptions(connection, [id])).get(id)
        customer = conditions.customer_id if conditions is not None and found is not None and found.payments else None
        return _list(request, q, named=named, found=found, after=after, subscription=subscription, customer=customer)

    return router


async def find(connection: AsyncConnection, question: Question) -> list[Found]:
    """The payments that an id or a provider's reference names."""
    found: list[Found] = []
    if question.id is not None:
        found += await search.find_by_id(connection, question.id)
    if question.reference is not None:
        known = {payment.id for payment in found}
        named = await search.find_by_reference(connection, question.reference, sorted(registry.PLUGINS))
        found += [payment for payment in named if payment.id not in known]
    return found


def conditions_of(question: Question, named: list[Found]) -> Conditions | None:
    """What to scan for. A word that names no payment may be a customer."""
    if question.conditions is None and question.reference is not None and not named:
        return Conditions(customer_id=question.reference)
    return question.conditions


def _list(
    request: Request,
    q: str,
    *,
    named: list[Found] | None = None,
    found: search.Page | None = None,
    after: Place | None = None,
    subscription: Subscription | None = None,
    customer: str | None = None,
    wrong: str | None = None,
    status: int = 200,
) -> Response:
    following = None
    if found is not None and found.following is not None:
        place = found.following
        following = f"{HOME}?" + urlencode({"q": q, "after_at": place.created_at.isoformat(), "after_id": place.id})
    return page(
        request,
        "payments/list.html",
        status,
        q=q,
        named=named or [],
        found=found,
        following=following,
        after=after,
        subscription=subscription,
        subscription_states=SUBSCRIPTION_STATES,
        customer=customer,
        wrong=wrong,
        examples=EXAMPLES,
        states={status.value: state for status, state in STATES.items()},
        statuses=list(PaymentStatus),
    )
