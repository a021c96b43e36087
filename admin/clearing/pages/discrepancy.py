"""One discrepancy: both sides, the evidence, the history, and a person's decision."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, NamedTuple
from uuid import UUID, uuid4

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response

from admin.approvals.asking import ask_second
from admin.clearing.context import Clearing, Injected
from admin.clearing.final_decisions import ACTIONS, FinalDecision, cause_of, is_possible, request_of
from admin.clearing.pages.queue import HOME
from admin.clearing.pages.sides import read_sides
from admin.clearing.pages.words import EVENTS, KINDS, STATES, choices, evidence, kind_words, turn
from admin.clearing.schemas import ClaimIn, ReopenIn, ResolveIn
from admin.language import gettext
from admin.pages import PageRoute, page, read_form, see_other
from admin.payments.actions import InvalidForm, Typed
from admin.people.guard import require, trail_of
from admin.people.permissions import Permission
from admin.people.person import Person
from admin.problems import Problem
from admin.retelling import retold
from backoffice.clearing import discrepancies
from backoffice.clearing.discrepancies import ChangedSince, Found
from backoffice.operators import ActionRefused, Operator
from billing.clearing.discrepancies import Event, Resolution, step
from ingest_api.edge import idempotency
from runtime.clock import utc_now
from storage import approvals
from storage.clearing.discrepancies import Command, Decided, Discrepancy
from storage.clearing.evidence import Line
from storage.staff.trail import Kind

Reader = Annotated[Person, require(Permission.DISCREPANCIES)]
Decider = Annotated[Person, require(Permission.DECIDE)]


class Decision(NamedTuple):
    """What a form asks for. ``resolution``: of a resolution alone."""

    name: str
    typed: Typed
    version: int
    resolution: Resolution | None = None

    def command(self, id: UUID) -> Command:
        """The same for every time that the form is sent."""
        reason = self.typed.reason
        body: ClaimIn | ResolveIn | ReopenIn = ClaimIn(reason=reason)
        if self.resolution is not None:
            body = ResolveIn(resolution=self.resolution, reason=reason)
        key = idempotency.operation_id(self.typed.operator, id, str(self.typed.key))
        return Command(key, idempotency.fingerprint(body, self.name))


def discrepancy_pages(engine: AsyncEngine) -> APIRouter:
    """The routes."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response)
    pages = DiscrepancyPages(engine)
    router.add_api_route(f"{HOME}/{{id}}", pages.show, methods=["GET"])
    for action in (pages.claim, pages.resolve, pages.reopen):
        router.add_api_route(f"{HOME}/{{id}}/{action.__name__}", action, methods=["POST"])
    return router


class DiscrepancyPages:
    """Handlers of the pages."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def show(self, request: Request, clearing: Injected, person: Reader, id: UUID) -> Response:
        """The discrepancy. Who looked is on the trail."""
        async with clearing.at_work(Problem.DECISION_REFUSED):
            found = await discrepancies.show(clearing.settings, id)
        await trail_of(request).note(person, Kind.VIEW, "discrepancy", id)
        return await self._show(request, clearing, person, found)

    async def claim(self, request: Request, clearing: Injected, person: Decider, id: UUID) -> Response:
        """The person becomes its owner."""

        async def decide(asked: Decision, who: Operator, command: Command) -> Decided:
            return await discrepancies.claim(clearing.settings, who, id, seen=asked.version, command=command)

        return await self._decide(request, clearing, person, id, "claim", decide)

    async def reopen(self, request: Request, clearing: Injected, person: Decider, id: UUID) -> Response:
        """A person has to look at it again."""

        async def decide(asked: Decision, who: Operator, command: Command) -> Decided:
            return await discrepancies.reopen(clearing.settings, who, id, seen=asked.version, command=command)

        return await self._decide(request, clearing, person, id, "reopen", decide)

    async def resolve(self, request: Request, clearing: Injected, person: Decider, id: UUID) -> Response:
        """What the person found. The next statements have to confirm it, unless it is written off or accepted:
        above the limit of one person these are asked for, and a second person approves them."""

        async def decide(asked: Decision, who: Operator, command: Command) -> Decided:
            assert asked.resolution is not None
            return await discrepancies.resolve(
                clearing.settings, who, id, asked.resolution, seen=asked.version, command=command
            )

        return await self._decide(request, clearing, person, id, "resolve", decide)

    async def _decide(
        self,
        request: Request,
        clearing: Clearing,
        person: Person,
        id: UUID,
        name: str,
        decide: Callable[[Decision, Operator, Command], Awaitable[Decided]],
    ) -> Response:
        """Carry out what the form asks for, once however often it is sent. It is on the trail before it is done, and a
        refusal after it."""
        form = await read_form(request)
        fields = {field: form.one(field) for field in form}
        async with clearing.at_work(Problem.DECISION_REFUSED):
            found = await discrepancies.show(clearing.settings, id)
        try:
            asked = _read(name, fields, person)
            command = asked.command(id)
        except InvalidForm as error:
            return await self._show(request, clearing, person, found, fields, name, str(error), 422)
        was_decided = any(_is_of(entry.evidence, command) for entry in found.history)
        if asked.version != found.discrepancy.version and not was_decided:
            return await self._changed(request, clearing, person, id, fields, name)
        if asked.resolution is not None and not was_decided and is_possible(found.discrepancy, asked.resolution):
            cause = cause_of(found.discrepancy)
            if cause is not None:
                try:
                    return await self._ask_second(request, person, found.discrepancy, asked, command, cause)
                except InvalidForm as error:
                    return await self._show(request, clearing, person, found, fields, name, str(error), 422)
        detail = {"action": name, "version": asked.version, "resolution": asked.resolution}
        named = {key: value for key, value in detail.items() if value is not None}
        reason = asked.typed.reason
        if not was_decided:
            await trail_of(request).note(person, Kind.COMMAND, "discrepancy", id, reason=reason, **named)
        async with clearing.at_work(Problem.DECISION_REFUSED):
            try:
                await decide(asked, Operator(person.email, reason), command)
            except ActionRefused as error:
                refused = error
            else:
                return see_other(f"{HOME}/{id}")
        await trail_of(request).note(person, Kind.REFUSED, "discrepancy", id, action=name, why=str(refused))
        if isinstance(refused, ChangedSince):
            return await self._changed(request, clearing, person, id, fields, name)
        why = gettext("It cannot be decided so: %(why)s.", why=retold(str(refused)))
        return await self._show(request, clearing, person, found, fields, name, why, 409)

    async def _ask_second(
        self, request: Request, person: Person, found: Discrepancy, asked: Decision, command: Command, cause: str
    ) -> Response:
        assert asked.resolution is not None
        final = FinalDecision(found.id, asked.version, asked.resolution, person.email, asked.typed.reason, command)
        approval = await ask_second(
            self._engine, person, "discrepancy", request_of(found, final, cause, asked.typed.key)
        )
        _, label = ACTIONS[asked.resolution]
        return page(request, "clearing/asked.html", approval=approval, label=label, one=found, kind_words=kind_words)

    async def _changed(
        self, request: Request, clearing: Clearing, person: Person, id: UUID, fields: Mapping[str, str], name: str
    ) -> Response:
        async with clearing.at_work(Problem.DECISION_REFUSED):
            found = await discrepancies.show(clearing.settings, id)
        why = gettext(
            "It has changed since you looked at it, and nothing was decided. This is how it stands now: decide again."
        )
        return await self._show(request, clearing, person, found, fields, name, why, 409)

    async def _show(
        self,
        request: Request,
        clearing: Clearing,
        person: Person,
        found: Found,
        fields: Mapping[str, str] | None = None,
        sent: str | None = None,
        wrong: str | None = None,
        status: int = 200,
    ) -> Response:
        one, now = found.discrepancy, utc_now()
        async with clearing.at_work(Problem.DECISION_REFUSED), self._engine.connect() as connection:
            sides = await read_sides(connection, one)
            requests = await approvals.about(connection, one.id)
        possible = _possible(one) if person.may(Permission.DECIDE) else set()
        return page(
            request,
            "clearing/discrepancy.html",
            status,
            one=one,
            history=found.history,
            sides=sides.amounts,
            turn=turn(one, now),
            evidence=evidence(one),
            meaning=KINDS[one.kind],
            lines=sides.lines,
            movements=sides.movements,
            facts=_facts(one, sides.lines),
            possible=possible,
            choices=choices(one),
            cause=cause_of(one),
            sees_days=person.may(Permission.CLEARING),
            requests=requests,
            actions={action: {"label": label} for action, label in ACTIONS.values()},
            now=now,
            fields=fields or {},
            sent=sent,
            wrong=wrong,
            key=uuid4(),
            state=STATES[one.state],
            states=STATES,
            events=EVENTS,
            kind_words=kind_words,
        )


def _read(name: str, fields: Mapping[str, str], person: Person) -> Decision:
    """What the form asks for. Raises :class:`~admin.payments.actions.InvalidForm`."""
    try:
        key, version = UUID(fields.get("key", "")), int(fields.get("version", ""))
    except ValueError:
        raise InvalidForm(gettext("The form is not whole. Read the page again, and send its form.")) from None
    typed = Typed(fields, person.email, key)
    _ = typed.reason
    if name != "resolve":
        return Decision(name, typed, version)
    try:
        return Decision(name, typed, version, Resolution(typed.get("resolution")))
    except ValueError:
        raise InvalidForm(gettext("Choose what you found.")) from None


def _possible(found: Discrepancy) -> set[str]:
    """The forms that the state allows."""
    events = {"claim": Event.CLAIMED, "resolve": Event.RESOLVED, "reopen": Event.REOPENED}
    return {name for name, event in events.items() if step(found.state, event) is not None}


def _is_of(entry: Mapping[str, Any], command: Command) -> bool:
    """Whether the event of this evidence was caused by the command."""
    request = entry.get("request")
    return isinstance(request, dict) and request.get("id") == str(command.id)


def _facts(found: Discrepancy, lines: list[Line]) -> dict[str, str]:
    """What the detail says beside what the page shows elsewhere."""
    known = {"day", "line", "occurrence", "kind", "lines", "their_currency", "currency", "fee", "by_contract"}
    known |= {"paid", "consists_of"}
    if lines:
        known |= {"type", "order", "movement", "payout"}
    return {name: str(value) for name, value in found.detail.items() if name not in known}
