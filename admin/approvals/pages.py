"""The pages of requests that wait for a second person."""

from typing import Annotated, Final
from uuid import UUID

import msgspec
from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response

from admin.language import gettext
from admin.pages import PageRoute, page, read_form, see_other
from admin.payments import cures
from admin.payments.actions import ACTIONS, Command, InvalidForm, checked_reason
from admin.payments.reading import read_payment
from admin.payments.refusals import in_words
from admin.payments.sending import send_command
from admin.payments.sentences import ENDS, STATES
from admin.people.guard import SentElsewhere, require, trail_of
from admin.people.permissions import Permission
from admin.people.person import Person
from admin.problems import Problem
from admin.trail.trail import record
from backoffice.sender import Sender
from billing.messages import MESSAGE_TYPES, Approval
from billing.payments.model import Payment
from billing.payments.preview import Preview, preview
from runtime.clock import utc_now
from runtime.http.problems import ProblemError
from runtime.settings import AdminSettings
from storage import approvals
from storage.staff.trail import Kind

HOME: Final = "/approvals"

Reader = Annotated[Person, require(Permission.READ)]
Approver = Annotated[Person, require(Permission.APPROVE, fresh=True)]
Decider = Annotated[Person, require(Permission.APPROVE)]


def approval_pages(settings: AdminSettings, engine: AsyncEngine, sender: Sender) -> APIRouter:
    """The routes."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response)
    pages = ApprovalPages(settings, engine, sender)
    router.add_api_route(HOME, pages.list, methods=["GET"])
    router.add_api_route(f"{HOME}/{{id}}", pages.show, methods=["GET"])
    router.add_api_route(f"{HOME}/{{id}}/approve", pages.approve, methods=["POST"])
    router.add_api_route(f"{HOME}/{{id}}/refuse", pages.refuse, methods=["POST"])
    router.add_api_route(f"{HOME}/{{id}}/send", pages.send, methods=["POST"])
    return router


class ApprovalPages:
    """Handlers of the pages."""

    def __init__(self, settings: AdminSettings, engine: AsyncEngine, sender: Sender) -> None:
        self._settings = settings
        self._sender = sender
        self._engine = engine

    async def list(self, request: Request, _person: Reader) -> Response:
        now = utc_now()
        async with self._engine.connect() as connection:
            found = await approvals.open_requests(connection, now)
        return page(request, "approvals/list.html", requests=found, actions=ACTIONS, now=now)

    async def show(self, request: Request, person: Reader, id: UUID) -> Response:
        return await self._show(request, person, id)

    async def approve(self, request: Request, person: Approver, id: UUID) -> Response:
        """Approve somebody else's command, and send exactly its bytes with the approval filled in.

        The decision commits first: where the process dies before Kafka has the command, the page shows it as not sent,
        and sending it again is the same command.
        """
        found, payment = await self._read(id)
        if found.requested_by == person.email:
            await trail_of(request).note(person, Kind.REFUSED, "approval", id, why="one's own")
            raise ProblemError(Problem.APPROVAL_IMPOSSIBLE, gettext("Nobody approves their own request."))
        if not _is_same(found, payment):
            raise ProblemError(
                Problem.APPROVAL_IMPOSSIBLE, gettext("The payment has changed since this was asked for.")
            )
        await self._decide(person, found, approvals.APPROVED, "")
        return await self._send(request, person, id)

    async def send(self, request: Request, person: Decider, id: UUID) -> Response:
        """Send an approved command whose way to Kafka was cut off."""
        return await self._send(request, person, id)

    async def refuse(self, request: Request, person: Decider, id: UUID) -> Response:
        """Refuse a request; one's own is withdrawn so."""
        try:
            reason = checked_reason((await read_form(request)).one("reason"))
        except InvalidForm as error:
            return await self._show(request, person, id, wrong=str(error))
        found, _ = await self._read(id)
        await self._decide(person, found, approvals.REFUSED, reason)
        return see_other(f"{HOME}/{id}")

    async def _decide(self, person: Person, found: approvals.Approval, decision: str, reason: str) -> None:
        async with self._engine.begin() as connection:
            if not await approvals.decide(connection, found.id, decision, person.email, reason, utc_now()):
                raise ProblemError(Problem.APPROVAL_IMPOSSIBLE, gettext("It is decided already, or its time is over."))
            await record(
                connection, person, Kind.APPROVAL, "payment", found.payment_id, reason=reason or None,
                action=found.action, approval=str(found.id), asked=decision, requested_by=found.requested_by,
                amount=found.amount, currency=found.currency,
            )  # fmt: skip

    async def _send(self, request: Request, person: Person, id: UUID) -> Response:
        found, payment = await self._read(id)
        if found.decision != approvals.APPROVED or found.decided_by is None or found.decided_at is None:
            raise ProblemError(Problem.APPROVAL_IMPOSSIBLE, gettext("It is not approved."))
        approval = Approval(found.id, found.decided_by, found.decided_at)
        command = msgspec.structs.replace(_command(found), approval=approval)
        await trail_of(request).note(
            person, Kind.COMMAND, "payment", payment.id, reason=found.reason, action=found.action,
            message=str(_id_of(command)), approval=str(found.id), operator=found.requested_by,
            amount=found.amount, currency=found.currency,
        )  # fmt: skip
        reply = await send_command(
            self._settings, self._sender, self._engine, command, _id_of(command), found.requested_by
        )
        async with self._engine.begin() as connection:
            await approvals.mark_sent(connection, id, utc_now())
        refusal = None if reply is None else reply.refusal
        return page(
            request,
            "approvals/sent.html",
            200 if refusal is None else 409,
            found=found,
            action=ACTIONS[found.action],
            reply=reply,
            refusal=refusal,
            why=None if refusal is None else in_words(refusal, (await self._read(id))[1]),
            cure=None if refusal is None else cures.cure_of(refusal.code),
        )

    async def _show(self, request: Request, person: Person, id: UUID, wrong: str | None = None) -> Response:
        found, payment = await self._read(id)
        now = utc_now()
        state = found.state(now)
        return page(
            request,
            "approvals/approval.html",
            200 if wrong is None else 422,
            found=found,
            state=state,
            payment=payment,
            action=ACTIONS[found.action],
            then=msgspec.json.decode(found.preview, type=Preview),
            is_same=state != "waiting" or _is_same(found, payment),
            currency=found.currency,
            is_own=found.requested_by == person.email,
            may_decide=person.may(Permission.APPROVE),
            states=STATES,
            ends=ENDS,
            wrong=wrong,
        )

    async def _read(self, id: UUID) -> tuple[approvals.Approval, Payment]:
        async with self._engine.connect() as connection:
            found = await approvals.find(connection, id)
        if found is None:
            raise ProblemError(Problem.NO_APPROVAL)
        if found.payment_id is None:
            raise SentElsewhere(f"/bulk/{found.bulk_job}")
        return found, await read_payment(self._engine, found.payment_id)


def _command(found: approvals.Request) -> Command:
    command = msgspec.json.decode(found.command, type=MESSAGE_TYPES[found.type])
    assert isinstance(command, Command)
    return command


def _id_of(command: Command) -> UUID:
    """The id of the command: of its correction, amendment or operation."""
    for name in ("correction_id", "amendment_id", "operation_id"):
        if (id := getattr(command, name, None)) is not None:
            assert isinstance(id, UUID)
            return id
    raise AssertionError(f"{command.TYPE} has no id")


def _is_same(found: approvals.Request, payment: Payment) -> bool:
    """Whether the command would do now what it was asked for to do."""
    return preview(payment, _command(found), utc_now()) == msgspec.json.decode(found.preview, type=Preview)
