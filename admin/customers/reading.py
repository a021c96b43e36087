"""Everything that a customer's page shows, read in one snapshot."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.problems import Problem
from billing.errors import InvalidCart
from billing.orders import Contact
from billing.payments.entitlement import entitled
from billing.payments.model import Payment
from billing.subscriptions.model import Subscription
from ingest_api.payments.schemas import MAX_ID
from ingest_api.texts import ASCII_ID
from runtime.http.problems import ProblemError
from storage import customer_notes, customers
from storage.customer_notes import CustomerNote
from storage.customers import Total
from storage.payments.rows import load_payments
from storage.payments.search import Conditions, Page, Place, scan
from storage.saved_methods import StoredMethod, methods_of
from storage.subscriptions.lists import subscriptions_of

#: Payments on a page.
SHOWN: Final = 25
#: Subscriptions and saved methods: a customer has one subscription in each group of plans.
FEW: Final = 50
#: Notes on a page.
NOTES: Final = 50
#: Payments that are asked which access they give.
ENTITLING: Final = 100


class Access(NamedTuple):
    """A product that the customer has access to. ``until``: UTC, ``None``: without an end. ``kind``, ``id``: of what gives
    the access, ``payments`` or ``subscriptions``."""

    product: str
    until: datetime | None
    kind: str
    id: UUID


class Story(NamedTuple):
    """``totals``: of the newest payments, ``is_cut``: there are more. ``payments``: one page of them. ``notes``: the newest."""

    customer_id: str
    totals: list[Total]
    is_cut: bool
    payments: Page
    subscriptions: list[Subscription]
    methods: list[StoredMethod]
    access: list[Access]
    contacts: list[Contact]
    notes: Sequence[CustomerNote]


async def read_story(engine: AsyncEngine, customer_id: str, after: Place | None, now: datetime) -> Story:
    """The customer, and all that is on record about them. Raises :class:`ProblemError` 404 where there is nothing."""
    if len(customer_id) > MAX_ID or re.fullmatch(ASCII_ID, customer_id) is None:
        raise ProblemError(Problem.NO_CUSTOMER)
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        totals = await customers.totals(connection, customer_id)
        subscriptions = await subscriptions_of(connection, customer_id, FEW)
        methods = await methods_of(connection, customer_id, FEW)
        if not (totals or subscriptions or methods):
            raise ProblemError(Problem.NO_CUSTOMER)
        payments = await scan(connection, Conditions(customer_id=customer_id), after, SHOWN)
        paid = await _paid(connection, customer_id)
        written = await customers.contacts(connection, customer_id)
        notes = await customer_notes.latest(connection, customer_id, NOTES)
    return Story(
        customer_id,
        totals,
        sum(total.payments for total in totals) == customers.TOTALLED,
        payments,
        subscriptions,
        methods,
        sorted((*_bought(paid, now), *_subscribed(subscriptions, now)), key=lambda held: held.product),
        _each_once([*written, *(s.contact for s in subscriptions if s.contact is not None)]),
        notes,
    )


async def _paid(connection: AsyncConnection, customer_id: str) -> list[Payment]:
    ids = await customers.paid(connection, customer_id, ENTITLING)
    return list((await load_payments(connection, ids)).values())


def _bought(payments: Sequence[Payment], now: datetime) -> Iterator[Access]:
    for payment in payments:
        try:
            until = payment.order.access_until
        except InvalidCart:
            continue  # of an early release, which took any text
        if until is None or until > now:
            for product in entitled(payment):
                yield Access(product, until, "payments", payment.id)


def _subscribed(subscriptions: Sequence[Subscription], now: datetime) -> Iterator[Access]:
    for s in subscriptions:
        if s.access_until is not None and s.access_until > (s.clock_at or now):
            for product in s.price.products:
                yield Access(product, s.access_until, "subscriptions", s.id)


def _each_once(contacts: Sequence[Contact]) -> list[Contact]:
    return list(dict.fromkeys(contacts))
