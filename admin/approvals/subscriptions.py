"""Approvals of commands to subscriptions."""

from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response

from admin.approvals.subjects import Decide, approved, consent_of
from admin.language import N_
from admin.pages import page
from admin.people.guard import trail_of
from admin.people.person import Person
from admin.subscriptions.actions import ACTIONS
from admin.subscriptions.reading import read_subscription
from admin.subscriptions.refusals import cure_of, in_words
from admin.subscriptions.sending import send_command
from admin.subscriptions.sentences import STATES, next_words, sentence
from backoffice.sender import Sender
from billing.messages import MESSAGE_TYPES
from billing.messages.subscription_commands import SubscriptionCommand
from billing.subscriptions.model import Subscription
from billing.subscriptions.preview import Preview, preview
from runtime.clock import utc_now
from storage import approvals
from storage.staff.trail import Kind


class Subscriptions:
    """Sends exactly the command that was asked for, with the approval filled in. As of payments, the decision commits
    first."""

    kind: Final = "subscription"
    changed: Final = N_("The subscription has changed since this was asked for.")

    def __init__(self, engine: AsyncEngine, sender: Sender) -> None:
        self._engine = engine
        self._sender = sender

    def label(self, found: approvals.Approval) -> str:
        return ACTIONS[found.action].label

    async def read(self, found: approvals.Approval) -> Subscription:
        subscription, _ = await read_subscription(self._engine, found.subject_id)
        return subscription

    def is_same(self, found: approvals.Approval, subject: Subscription) -> bool:
        """The version is the same, and no more is given back than was asked for: a share of the time that is left gets less
        while the request waits."""
        command, then = _command(found), _then(found)
        now = preview(subject, command, utc_now())
        return (
            command.subscription_id == subject.id
            and now.refusal is None
            and now.back <= (found.amount or 0)
            and now.withdrawn == then.withdrawn
            and (now.refunded > 0) == (then.refunded > 0)
        )

    async def shown(self, found: approvals.Approval, subject: Subscription) -> dict[str, Any]:
        then = _then(found)
        waits = found.state(utc_now()) == "waiting" and self.is_same(found, subject)
        said = preview(subject, _command(found), utc_now()) if waits else then
        return {
            "said": said,
            "before": sentence(said.before),
            "gets_less": said.back < then.back,
            "states": STATES,
            "next_words": next_words,
        }

    async def approve(self, request: Request, person: Person, found: approvals.Approval, decide: Decide) -> Response:
        return await self.send(request, person, await approved(self._engine, found, decide))

    async def send(self, request: Request, person: Person, found: approvals.Approval) -> Response:
        command = msgspec.structs.replace(_command(found), approval=consent_of(found))
        await trail_of(request).note(
            person, Kind.COMMAND, self.kind, command.subscription_id, reason=found.reason, action=found.action,
            message=str(command.command_id), approval=str(found.id), operator=found.requested_by, amount=found.amount,
            currency=found.currency,
        )  # fmt: skip
        reply = await send_command(self._sender, self._engine, command, found.requested_by)
        async with self._engine.begin() as connection:
            await approvals.mark_sent(connection, found.id, utc_now())
        refusal = None if reply is None else reply.refusal
        return page(
            request,
            "subscriptions/sent.html",
            200 if refusal is None else 409,
            found=found,
            action=ACTIONS[found.action],
            reply=reply,
            currency=found.currency,
            refusal=refusal,
            why=None if refusal is None else in_words(refusal),
            cure=None if refusal is None else cure_of(refusal.code),
        )


def _then(found: approvals.Request) -> Preview:
    return msgspec.json.decode(found.preview, type=Preview)


def _command(found: approvals.Request) -> SubscriptionCommand:
    command = msgspec.json.decode(found.command, type=MESSAGE_TYPES[found.type])
    assert isinstance(command, SubscriptionCommand)
    return command
