"""The pages of one subscription: what it is, and each action as form, preview and command."""

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
from admin.masking import masked_title
from admin.pages import PageRoute, page, read_form
from admin.pages.action_routes import add_action
from admin.payments.actions import REASON_MAX, InvalidForm, Typed
from admin.payments.limits import DAY, EXPIRES_AFTER, above_limits, limit_of
from admin.payments.refusals import in_timeline
from admin.people.guard import require, trail_of
from admin.people.permissions import Permission
from admin.people.person import Person
from admin.subscriptions.actions import ACTIONS, FIELDS, Action, command_id, command_of
from admin.subscriptions.reading import Places, read_story, read_subscription
from admin.subscriptions.refusals import cure_of, in_words
from admin.subscriptions.sending import send_command
from admin.subscriptions.sentences import ATTEMPTS, PERIODS, STATES, cadence_words, next_words, sentence
from admin.trail.trail import record
from backoffice.sender import Sender
from billing.messages.subscription_commands import SubscriptionCommand
from billing.subscriptions.decision import snapshot
from billing.subscriptions.model import Subscription
from billing.subscriptions.preview import Preview, preview
from billing.subscriptions.prices import RefundRule
from runtime.clock import utc_now
from runtime.settings import AdminSettings
from storage import approvals
from storage.staff import trail
from storage.staff.trail import Kind

HOME: Final = "/subscriptions"
#: Entries of the trail on a page.
SEEN: Final = 20
#: Period and number of an attempt; partition and offset of a message.
_ATTEMPT: Final = r"^\d{1,9}-\d{1,9}$"
_MESSAGE: Final = r"^\d{1,9}-\d{1,18}$"

Reader = Annotated[Person, require(Permission.READ)]
AttemptAt = Annotated[str | None, Query(pattern=_ATTEMPT)]
MessageAt = Annotated[str | None, Query(pattern=_MESSAGE)]


def subscription_pages(settings: AdminSettings, engine: AsyncEngine, sender: Sender) -> APIRouter:
    """The routes."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response)
    pages = SubscriptionPages(settings, engine, sender)
    router.add_api_route(f"{HOME}/{{subscription_id}}", pages.show, methods=["GET"])
    for action in ACTIONS.values():
        add_action(router, HOME, "subscription_id", pages, action)
    return router


class SubscriptionPages:
    """Handlers of the pages."""

    def __init__(self, settings: AdminSettings, engine: AsyncEngine, sender: Sender) -> None:
        self._settings = settings
        self._engine = engine
        self._sender = sender

    async def show(
        self,
        request: Request,
        subscription_id: UUID,
        person: Reader,
        period: Annotated[int | None, Query(ge=1, lt=2**31)] = None,
        attempt: AttemptAt = None,
        message: MessageAt = None,
    ) -> Response:
        """The subscription's page. Who looked is on the trail."""
        story = await read_story(self._engine, subscription_id, Places(period, _place(attempt), _place(message)))
        await trail_of(request).note(person, Kind.VIEW, "subscription", subscription_id)
        seen = []
        if person.may(Permission.TRAIL):
            async with self._engine.connect() as connection:
                seen = await trail.latest(connection, SEEN, subject=("subscription", str(subscription_id)))
        return page(
            request,
            "subscriptions/subscription.html",
            story=story,
            told=in_timeline,
            seen=seen,
            actions=ACTIONS,
            now=utc_now(),
            offered=_offered(story.subscription, person, story.at),
            is_first=(period, attempt, message) == (None, None, None),
            **_words(story.subscription),
        )

    async def form(self, request: Request, id: UUID, action: Action, _person: Person) -> Response:
        """An empty form. Its key makes a double click one command."""
        subscription, _ = await read_subscription(self._engine, id)
        return _form(request, subscription, action, {}, uuid4())

    async def preview(self, request: Request, id: UUID, action: Action, person: Person) -> Response:
        """What the command would do. Nothing is sent."""
        subscription, at = await read_subscription(self._engine, id)
        typed = Typed.of(await read_form(request), person.email)
        try:
            command = command_of(subscription, action, typed, at)
        except InvalidForm as error:
            return _form(request, subscription, action, typed.fields, typed.key, str(error))
        await trail_of(request).note(person, Kind.PREVIEW, "subscription", id, reason=typed.reason, action=action.name)
        said = preview(subscription, command, utc_now())
        return _preview(request, subscription, action, typed, said, await self._cause(person, subscription, said))

    async def confirm(self, request: Request, id: UUID, action: Action, person: Person) -> Response:
        """Send the command, or ask for the second person where it gives back more than one may alone. Where the subscription
        is not the one that the preview was of, show the preview again."""
        subscription, at = await read_subscription(self._engine, id)
        form = await read_form(request)
        typed = Typed.of(form, person.email)
        is_known = any(c.id == command_id(subscription, action, typed) for c in subscription.commands)
        try:
            command = command_of(subscription, action, typed, at)
        except InvalidForm as error:
            return _form(request, subscription, action, typed.fields, typed.key, str(error))
        said = preview(subscription, command, utc_now())
        if not is_known and form.one("if_version") != str(subscription.version):
            cause = await self._cause(person, subscription, said)
            return _preview(request, subscription, action, typed, said, cause, changed=True)
        if said.refusal is not None:
            return _preview(request, subscription, action, typed, said, None)
        if not is_known:
            cause = await self._record(person, action, said, subscription, command.command_id, typed.reason)
            if cause is not None:
                asked = _asked(subscription, action, typed, command, said, cause)
                try:
                    approval = await ask_second(self._engine, person, "subscription", asked)
                except InvalidForm as error:
                    return _form(request, subscription, action, typed.fields, uuid4(), str(error))
                words = _words(subscription)
                return page(request, "subscriptions/asked.html", action=action, approval=approval, **words)
        reply = await send_command(self._sender, self._engine, command, person.email)
        refusal = None if reply is None else reply.refusal
        now_is, _ = await read_subscription(self._engine, id)
        return page(
            request,
            "subscriptions/result.html",
            200 if refusal is None else 409,
            action=action,
            reply=reply,
            refusal=refusal,
            why=None if refusal is None else in_words(refusal),
            cure=None if refusal is None else cure_of(refusal.code),
            **_words(now_is),
        )

    async def _record(
        self, person: Person, action: Action, said: Preview, subscription: Subscription, id: UUID, reason: str
    ) -> str | None:
        """Put the command on the trail before it is sent; why the person may not send it, and then it is not on the
        trail."""
        currency, back = subscription.price.currency, said.back
        async with self._engine.connect() as connection, connection.begin() as transaction:
            await record(
                connection, person, Kind.COMMAND, "subscription", subscription.id, reason=reason, action=action.name,
                message=str(id), amount=back or None, currency=currency, gives_back=bool(back),
                version=subscription.version, limit=limit_of(self._settings, person, currency),
            )  # fmt: skip
            if not back:
                return None
            # Entries of the trail wait for each other: of two commands of one person at once, the second counts both.
            today = await self._today(connection, person, currency)
            cause = above_limits(self._settings, person, back, currency, today)
            if cause is not None:
                await transaction.rollback()
        return cause

    async def _cause(self, person: Person, subscription: Subscription, said: Preview) -> str | None:
        """Why the person may not send it alone; ``None``: they may, or it is refused."""
        if said.refusal is not None or not said.back:
            return None
        currency = subscription.price.currency
        async with self._engine.connect() as connection:
            today = await self._today(connection, person, currency) + said.back
        return above_limits(self._settings, person, said.back, currency, today)

    async def _today(self, connection: Any, person: Person, currency: str) -> int:
        return await approvals.given_back(connection, person.id, currency, utc_now() - DAY)


def _asked(
    subscription: Subscription,
    action: Action,
    typed: Typed,
    command: SubscriptionCommand,
    said: Preview,
    cause: str,
) -> approvals.Request:
    now = utc_now()
    return approvals.Request(
        id=uuid5(subscription.id, f"approval/{action.name}/{typed.key}"),
        action=action.name,
        subscription_id=subscription.id,
        type=command.TYPE,
        command=msgspec.json.encode(command),
        preview=msgspec.json.encode(said),
        amount=said.back,
        currency=subscription.price.currency,
        cause=cause,
        requested_by=typed.operator,
        reason=typed.reason,
        requested_at=now,
        expires_at=now + EXPIRES_AFTER,
    )


def _offered(subscription: Subscription, person: Person, at: datetime | None) -> list[tuple[Action, str | None]]:
    """What the person may do, and why it is refused now, in the words of ``decide``; ``None`` where it is possible."""
    now = utc_now()
    ahead = now if subscription.period is None else max(now, subscription.period.end_at)
    fields = {"reason": "-", "until": (ahead + timedelta(days=1)).isoformat()}
    typed = Typed(fields, person.email, uuid4())
    offered: list[tuple[Action, str | None]] = []
    for action in ACTIONS.values():
        if person.may(action.permission):
            refusal = preview(subscription, command_of(subscription, action, typed, at), now).refusal
            offered.append((action, None if refusal is None else in_words(refusal)))
    return offered


def _form(
    request: Request, subscription: Subscription, action: Action, fields: Any, key: UUID, wrong: str | None = None
) -> Response:
    return page(
        request,
        "subscriptions/action.html",
        200 if wrong is None else 422,
        action=action,
        fields=fields,
        key=key,
        wrong=wrong,
        rules=list(RefundRule),
        reason_max=REASON_MAX,
        **_words(subscription),
    )


def _preview(
    request: Request,
    subscription: Subscription,
    action: Action,
    typed: Typed,
    said: Preview,
    cause: str | None,
    *,
    changed: bool = False,
) -> Response:
    return page(
        request,
        "subscriptions/preview.html",
        200 if said.refusal is None and not changed else 409,
        action=action,
        said=said,
        cause=cause,
        changed=changed,
        repeated=_repeated(action, typed),
        key=typed.key,
        why=None if said.refusal is None else in_words(said.refusal),
        cure=None if said.refusal is None else cure_of(said.refusal.code),
        **_words(subscription),
    )


def _repeated(action: Action, typed: Typed) -> dict[str, str]:
    """The fields that the confirmation repeats. A time names its zone there: the person may choose another meanwhile."""
    fields = {name: typed.get(name) for name in FIELDS if typed.get(name)}
    if action.name == "extend":
        fields["until"] = from_local(datetime.fromisoformat(fields["until"])).isoformat()
    return fields


def _place(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, _, second = text.partition("-")
    return int(first), int(second)


def _words(subscription: Subscription) -> dict[str, Any]:
    """What every page of a subscription shows of it."""
    s = snapshot(subscription)
    return {
        "s": s,
        "currency": s.price.currency,
        "state": STATES[s.status],
        "states": STATES,
        "period_states": PERIODS,
        "attempt_states": ATTEMPTS,
        "sentence": sentence(s),
        "next_words": next_words,
        "cadence": cadence_words(s.price.cadence),
        "method_title": None if s.method is None else masked_title(s.method.title),
        "by": None if subscription.cancel is None else subscription.cancel.by.removeprefix("operator:"),
        "clock_at": subscription.clock_at,
    }
