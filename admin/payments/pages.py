"""The pages of one payment: what it is, and each action as form, preview and command."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID, uuid4, uuid5

import msgspec
from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response

from admin.approvals.asking import ask_second
from admin.formatting import from_local
from admin.masking import masked_contact
from admin.pages import PageRoute, page, read_form, reload_page
from admin.pages.action_routes import add_action
from admin.payments import cures, waterfall
from admin.payments.actions import ACTIONS, Action, Command, InvalidForm, Typed, operation_id
from admin.payments.limits import DAY, EXPIRES_AFTER, limit_of, needs_second_person
from admin.payments.reading import read_payment, read_story
from admin.payments.refusals import in_timeline, in_words
from admin.payments.sending import send_command
from admin.payments.sentences import ENDS, STATES, age, is_open, latest_first, sentence, under_way
from admin.people.guard import require, trail_of
from admin.people.permissions import Permission
from admin.people.person import Person
from admin.trail.trail import record
from backoffice.sender import Sender
from billing.payments.entitlement import entitled
from billing.payments.model import Payment
from billing.payments.preview import Preview, preview, standing
from billing.payments.refundable_cart import refunded_quantities, sold_cart
from runtime.clock import utc_now
from runtime.settings import AdminSettings
from storage import approvals
from storage.payments.rows import version_of
from storage.staff import trail
from storage.staff.trail import Kind

#: Entries of the trail on a payment's page.
SEEN: Final = 20
#: The fields that the confirmation repeats as they were typed.
_REPEATED: Final = ("amount", "reason", "operation", "ended", "note", "email", "phone", "key_name", "key_value")

Reader = Annotated[Person, require(Permission.READ)]


def payment_pages(settings: AdminSettings, engine: AsyncEngine, sender: Sender) -> APIRouter:
    """The routes."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response)
    pages = PaymentPages(settings, engine, sender)
    router.add_api_route("/payments/{payment_id}", pages.show, methods=["GET"])
    router.add_api_route("/payments/{payment_id}/changes", pages.changes, methods=["GET"])
    for action in ACTIONS.values():
        add_action(router, "/payments", "payment_id", pages, action)
    return router


class PaymentPages:
    """Handlers of the pages."""

    def __init__(self, settings: AdminSettings, engine: AsyncEngine, sender: Sender) -> None:
        self._settings = settings
        self._sender = sender
        self._engine = engine

    async def show(
        self, request: Request, payment_id: UUID, person: Reader, at: Annotated[datetime | None, Query()] = None
    ) -> Response:
        """The payment's page; the timeline up to ``at``, where it is given: of the reader's zone, unless it names one."""
        moment = None if at is None else from_local(at)
        story = await read_story(self._engine, payment_id, moment)
        payment = story.payment
        await trail_of(request).note(person, Kind.VIEW, "payment", payment_id)
        seen = []
        if person.may(Permission.TRAIL):
            async with self._engine.connect() as connection:
                seen = await trail.latest(connection, SEEN, subject=("payment", str(payment_id)))
        return page(
            request,
            "payments/payment.html",
            story=story,
            seen=seen,
            at=moment,
            operations=latest_first(payment),
            told=in_timeline,
            drawing=waterfall.drawing,
            process=waterfall.process,
            took=waterfall.took,
            pause=waterfall.pause,
            actions=ACTIONS,
            access=entitled(payment),
            contact=[] if payment.order.contact is None else masked_contact(payment.order.contact),
            may_reveal=person.may(Permission.REVEAL),
            live=at is None and any(is_open(operation) for operation in payment.operations),
            open_operations=[under_way(o, payment.order.currency) for o in payment.operations if o.is_open],
            offered=self._offered(payment, person),
            **_words(payment),
        )

    async def changes(self, payment_id: UUID, _person: Reader, since: Annotated[int, Query()]) -> Response:
        """Whether the payment has changed since this version; the page that asks is read again then, and is on the trail."""
        async with self._engine.connect() as connection:
            changed = await version_of(connection, payment_id) != since
        return reload_page() if changed else Response(status_code=204)

    def _offered(self, payment: Payment, person: Person) -> list[tuple[Action, str | None]]:
        """What the person may do, and why it is refused now, in the words of ``decide``; ``None`` where it is possible."""
        offered: list[tuple[Action, str | None]] = []
        typed = Typed({"reason": "-"}, person.email, uuid4())
        for action in ACTIONS.values():
            if not person.may(action.permission):
                continue
            refused = None
            if action.name in ("capture", "void", "refund"):
                refusal = preview(payment, action.build(payment, typed), utc_now()).refusal
                refused = None if refusal is None else in_words(refusal, payment)
            offered.append((action, refused))
        return offered

    async def form(self, request: Request, payment_id: UUID, action: Action, _person: Person) -> Response:
        """An empty form. Its key makes a double click one command."""
        payment = await read_payment(self._engine, payment_id)
        return self._form(request, payment, action, {}, uuid4())

    async def preview(self, request: Request, payment_id: UUID, action: Action, person: Person) -> Response:
        """What the command would do. Nothing is sent."""
        payment = await read_payment(self._engine, payment_id)
        typed = Typed.of(await read_form(request), person.email)
        try:
            command = action.build(payment, typed)
        except InvalidForm as error:
            return self._form(request, payment, action, typed.fields, typed.key, str(error))
        await trail_of(request).note(
            person, Kind.PREVIEW, "payment", payment_id, reason=typed.get("reason") or None, action=action.name
        )
        said = preview(payment, command, utc_now())
        cause = None
        if said.refusal is None:
            cause = await self._cause(person, action, said, payment)
        return self._preview(request, payment, action, typed, said, cause)

    async def confirm(self, request: Request, payment_id: UUID, action: Action, person: Person) -> Response:
        """Send the command, or ask for the second person. Where the payment is not the one that the preview was of, show
        the preview again."""
        payment = await read_payment(self._engine, payment_id)
        form = await read_form(request)
        typed = Typed.of(form, person.email)
        seen = form.one("if_version")
        known = payment.operation(operation_id(payment, typed)) is not None
        try:
            command = action.build(payment, typed)
        except InvalidForm as error:
            return self._form(request, payment, action, typed.fields, typed.key, str(error))
        said = preview(payment, command, utc_now())
        if not known and action.name not in ("note", "ask") and seen != str(payment.version):
            cause = None if said.refusal is not None else await self._cause(person, action, said, payment)
            return self._preview(request, payment, action, typed, said, cause, changed=True)
        if said.refusal is not None and not known:
            return self._preview(request, payment, action, typed, said, None)
        id = operation_id(payment, typed)
        cause = await self._record(person, action, said, payment, id, typed.get("reason") or None)
        if cause is not None and not known:
            try:
                return await self._ask_second(request, payment, action, typed, command, said, person, cause)
            except InvalidForm as error:
                return self._form(request, payment, action, typed.fields, uuid4(), str(error))
        reply = await send_command(self._settings, self._sender, self._engine, command, id, person.email)
        refusal = None if reply is None else reply.refusal
        now_is = await read_payment(self._engine, payment_id)
        return page(
            request,
            "payments/result.html",
            200 if refusal is None else 409,
            action=action,
            reply=reply,
            refusal=refusal,
            why=None if refusal is None else in_words(refusal, now_is),
            cure=None if refusal is None else cures.cure_of(refusal.code),
            operation_id=id,
            **_words(now_is),
        )

    async def _record(
        self, person: Person, action: Action, said: Preview, payment: Payment, id: UUID, reason: str | None
    ) -> str | None:
        """Put the command on the trail before it is sent; why a second person is needed instead, and then it is not on
        the trail."""
        currency, amount = payment.order.currency, _given_back(said, action)
        async with self._engine.connect() as connection, connection.begin() as transaction:
            await record(
                connection, person, Kind.COMMAND, "payment", payment.id, reason=reason,
                **_detail(action, said, payment, id), limit=limit_of(self._settings, person, currency),
            )  # fmt: skip
            # Entries of the trail wait for each other: of two commands of one person at once, the second counts both.
            today = await self._today(connection, person, payment)
            cause = needs_second_person(self._settings, person, action, amount, currency, today)
            if cause is not None:
                await transaction.rollback()
        return cause

    async def _today(self, connection: Any, person: Person, payment: Payment) -> int:
        since = utc_now() - DAY
        return await approvals.given_back(connection, person.id, payment.order.currency, since)

    async def _cause(self, person: Person, action: Action, said: Preview, payment: Payment) -> str | None:
        amount = _given_back(said, action)
        async with self._engine.connect() as connection:
            today = await self._today(connection, person, payment) + amount
        return needs_second_person(self._settings, person, action, amount, payment.order.currency, today)

    async def _ask_second(
        self,
        request: Request,
        payment: Payment,
        action: Action,
        typed: Typed,
        command: Command,
        said: Preview,
        person: Person,
        cause: str,
    ) -> Response:
        now = utc_now()
        asked = approvals.Request(
            id=uuid5(payment.id, f"approval/{typed.key}"),
            action=action.name,
            payment_id=payment.id,
            payment_version=payment.version,
            type=command.TYPE,
            command=msgspec.json.encode(command),
            preview=msgspec.json.encode(said),
            amount=_given_back(said, action) or None,
            currency=payment.order.currency,
            cause=cause,
            requested_by=person.email,
            reason=typed.reason,
            requested_at=now,
            expires_at=now + EXPIRES_AFTER,
        )
        approval = await ask_second(self._engine, person, "payment", asked)
        return page(request, "payments/asked.html", action=action, approval=approval, **_words(payment))

    def _form(
        self,
        request: Request,
        payment: Payment,
        action: Action,
        fields: Any,
        key: UUID,
        wrong: str | None = None,
    ) -> Response:
        gone = refunded_quantities(payment) if action.name == "refund" else {}
        items = [
            (place, item, item.quantity - gone.get(item.product_id, 0))
            for place, item in enumerate(sold_cart(payment).items)
        ]
        return page(
            request,
            "payments/action.html",
            200 if wrong is None else 422,
            action=action,
            fields=fields,
            key=key,
            wrong=wrong,
            items=items,
            **_words(payment),
        )

    def _preview(
        self,
        request: Request,
        payment: Payment,
        action: Action,
        typed: Typed,
        said: Preview,
        cause: str | None,
        *,
        changed: bool = False,
    ) -> Response:
        status = 200 if said.refusal is None and not changed else 409
        repeated = {
            name: value
            for name, value in typed.fields.items()
            if value and (name in _REPEATED or name.startswith("item-"))
        }
        return page(
            request,
            "payments/preview.html",
            status,
            action=action,
            said=said,
            cause=cause,
            changed=changed,
            repeated=repeated,
            key=typed.key,
            why=None if said.refusal is None else in_words(said.refusal, payment),
            cure=None if said.refusal is None else cures.cure_of(said.refusal.code),
            **_words(payment),
        )


def _given_back(said: Preview, action: Action) -> int:
    """Minor units that leave us by the command, by its own preview."""
    return sum(request.amount for request in said.at_once.requests) if action.gives_back else 0


def _detail(action: Action, said: Preview, payment: Payment, id: UUID) -> dict[str, Any]:
    amount = next((request.amount for request in said.at_once.requests), None)
    return {
        "action": action.name,
        "message": str(id),
        "amount": amount,
        "currency": payment.order.currency,
        "gives_back": action.gives_back,
        "version": payment.version,
    }


def _words(payment: Payment) -> dict[str, Any]:
    """What every page of a payment shows of it."""
    now = utc_now()
    return {
        "payment": payment,
        "currency": payment.order.currency,
        "state": STATES[payment.status],
        "sentence": sentence(payment),
        "age": age(payment.created_at, now),
        "ends": ENDS,
        "states": STATES,
        "is_open": is_open,
        "amounts": standing(payment).amounts,
        "soon": timedelta(0),
        "now": now,
    }
