"""The pages of requests that wait for a second person."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.requests import Request
from starlette.responses import Response

from admin.approvals.final_decisions import FinalDecisions
from admin.approvals.payments import Payments
from admin.approvals.subjects import Impossible, Subject
from admin.approvals.subscriptions import Subscriptions
from admin.language import N_, gettext
from admin.pages import PageRoute, page, read_form, see_other
from admin.payments.actions import InvalidForm, checked_reason
from admin.people.guard import SentElsewhere, require, trail_of
from admin.people.permissions import Permission
from admin.people.person import Person
from admin.problems import Problem
from admin.trail.trail import record
from backoffice.sender import Sender
from runtime.clock import utc_now
from runtime.http.problems import ProblemError
from runtime.settings import AdminSettings
from storage import approvals
from storage.approvals import APPROVED, REFUSED, Approval
from storage.staff.trail import Kind

HOME: Final = "/approvals"

Reader = Annotated[Person, require(Permission.READ)]
Approver = Annotated[Person, require(Permission.APPROVE, fresh=True)]
Decider = Annotated[Person, require(Permission.APPROVE)]


def approval_pages(settings: AdminSettings, engine: AsyncEngine, sender: Sender) -> APIRouter:
    """The routes."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response)
    pages = ApprovalPages(
        engine, Payments(settings, engine, sender), Subscriptions(engine, sender), FinalDecisions(settings, engine)
    )
    router.add_api_route(HOME, pages.list, methods=["GET"])
    router.add_api_route(f"{HOME}/{{id}}", pages.show, methods=["GET"])
    router.add_api_route(f"{HOME}/{{id}}/approve", pages.approve, methods=["POST"])
    router.add_api_route(f"{HOME}/{{id}}/refuse", pages.refuse, methods=["POST"])
    router.add_api_route(f"{HOME}/{{id}}/send", pages.send, methods=["POST"])
    return router


class ApprovalPages:
    """Handlers of the pages. A bulk job is decided on its own page."""

    def __init__(
        self, engine: AsyncEngine, payments: Subject, subscriptions: Subject, final_decisions: Subject
    ) -> None:
        self._engine = engine
        self._payments = payments
        self._subscriptions = subscriptions
        self._final_decisions = final_decisions

    async def list(self, request: Request, _person: Reader) -> Response:
        now = utc_now()
        async with self._engine.connect() as connection:
            found = await approvals.open_requests(connection, now)
        return page(request, "approvals/list.html", requests=[(one, *self._listed(one)) for one in found], now=now)

    async def show(self, request: Request, person: Reader, id: UUID) -> Response:
        return await self._show(request, person, id)

    async def approve(self, request: Request, person: Approver, id: UUID) -> Response:
        """Approve what somebody else asked for, and have exactly it carried out."""
        found, subject = await self._read(id)

        async def decide(connection: AsyncConnection, now: datetime) -> None:
            await self._decide(connection, person, found, subject, APPROVED, "", now)

        try:
            await self._require_possible(person, found, subject)
            return await subject.approve(request, person, found, decide)
        except Impossible as error:
            raise await _refused(request, person, found, error) from error

    async def send(self, request: Request, person: Decider, id: UUID) -> Response:
        """Send an approved command whose way to Kafka was cut off."""
        found, subject = await self._read(id)
        try:
            _require_approved(found)
            return await subject.send(request, person, found)
        except Impossible as error:
            raise await _refused(request, person, found, error) from error

    async def refuse(self, request: Request, person: Decider, id: UUID) -> Response:
        """Refuse a request; one's own is withdrawn so."""
        try:
            reason = checked_reason((await read_form(request)).one("reason"))
        except InvalidForm as error:
            return await self._show(request, person, id, wrong=str(error))
        found, subject = await self._read(id)
        try:
            async with self._engine.begin() as connection:
                await self._decide(connection, person, found, subject, REFUSED, reason, utc_now())
        except Impossible as error:
            raise await _refused(request, person, found, error) from error
        return see_other(f"{HOME}/{id}")

    async def _require_possible(self, person: Person, found: Approval, subject: Subject) -> None:
        """Raises :class:`Impossible`."""
        if found.requested_by == person.email:
            raise Impossible("one's own", gettext("Nobody approves their own request."))
        if found.state(utc_now()) != "waiting":
            raise _is_over()
        if not subject.is_same(found, await subject.read(found)):
            raise Impossible("changed", gettext(subject.changed))

    async def _decide(
        self,
        connection: AsyncConnection,
        person: Person,
        found: Approval,
        subject: Subject,
        decision: str,
        reason: str,
        now: datetime,
    ) -> None:
        """Raises :class:`Impossible`: it was decided meanwhile, its time is over, or it is one's own."""
        if not await approvals.decide(connection, found.id, decision, person.email, reason, now):
            raise _is_over()
        await record(
            connection, person, Kind.APPROVAL, subject.kind, found.subject_id, reason=reason or None,
            action=found.action, approval=str(found.id), asked=decision, requested_by=found.requested_by,
            amount=found.amount, currency=found.currency,
        )  # fmt: skip

    async def _show(self, request: Request, person: Person, id: UUID, wrong: str | None = None) -> Response:
        found, subject = await self._read(id)
        state, now_is = found.state(utc_now()), await subject.read(found)
        return page(
            request,
            "approvals/approval.html",
            200 if wrong is None else 422,
            found=found,
            state=state,
            kind=subject.kind,
            label=subject.label(found),
            changed=subject.changed if state == "waiting" and not subject.is_same(found, now_is) else None,
            currency=found.currency,
            is_own=found.requested_by == person.email,
            may_decide=person.may(Permission.APPROVE),
            wrong=wrong,
            **await subject.shown(found, now_is),
        )

    async def _read(self, id: UUID) -> tuple[Approval, Subject]:
        async with self._engine.connect() as connection:
            found = await approvals.find(connection, id)
        if found is None:
            raise ProblemError(Problem.NO_APPROVAL)
        subject = self._subject_of(found)
        if subject is None:
            raise SentElsewhere(f"/bulk/{found.bulk_job}")
        return found, subject

    def _subject_of(self, found: Approval) -> Subject | None:
        """``None``: a bulk job."""
        if found.subscription_id is not None:
            return self._subscriptions
        if found.discrepancy_id is not None:
            return self._final_decisions
        return None if found.payment_id is None else self._payments

    def _listed(self, found: Approval) -> tuple[str, str]:
        """What it is, and the address of its page."""
        subject = self._subject_of(found)
        if subject is None:
            return N_("Bulk refunds"), f"/bulk/{found.bulk_job}"
        return subject.label(found), f"{HOME}/{found.id}"


def _require_approved(found: Approval) -> None:
    if found.decision != APPROVED:
        raise Impossible("not approved", gettext("It is not approved."))


def _is_over() -> Impossible:
    return Impossible("decided or expired", gettext("It is decided already, or its time is over."))


async def _refused(request: Request, person: Person, found: Approval, error: Impossible) -> ProblemError:
    """What was refused is on the trail."""
    detail: dict[str, Any] = {"why": error.why, "action": found.action, "requested_by": found.requested_by}
    await trail_of(request).note(person, Kind.REFUSED, "approval", found.id, **detail)
    return ProblemError(Problem.APPROVAL_IMPOSSIBLE, str(error))
