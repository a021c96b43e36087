"""Approvals of commands to payments."""

from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response

from admin.approvals.subjects import Decide, approved, consent_of
from admin.language import N_
from admin.pages import page
from admin.payments import cures
from admin.payments.actions import ACTIONS, Command
from admin.payments.reading import read_payment
from admin.payments.refusals import in_words
from admin.payments.sending import send_command
from admin.payments.sentences import ENDS, STATES
from admin.people.guard import trail_of
from admin.people.person import Person
from backoffice.sender import Sender
from billing.messages import MESSAGE_TYPES
from billing.payments.model import Payment
from billing.payments.preview import Preview, preview
from runtime.clock import utc_now
from runtime.settings import AdminSettings
from storage import approvals
from storage.staff.trail import Kind


class Payments:
    """Sends exactly the command that was asked for, with the approval filled in.

    The decision commits first: where the process dies before Kafka has the command, the page shows it as not sent, and
    sending it again is the same command.
    """

    kind: Final = "payment"
    changed: Final = N_("The payment has changed since this was asked for.")

    def __init__(self, settings: AdminSettings, engine: AsyncEngine, sender: Sender) -> None:
        self._settings = settings
        self._engine = engine
        self._sender = sender

    def label(self, found: approvals.Approval) -> str:
        return ACTIONS[found.action].label

    async def read(self, found: approvals.Approval) -> Payment:
        return await read_payment(self._engine, found.subject_id)

    def is_same(self, found: approvals.Approval, subject: Payment) -> bool:
        command = _command(found)
        return command.payment_id == subject.id and preview(subject, command, utc_now()) == _then(found)

    async def shown(self, found: approvals.Approval, subject: Payment) -> dict[str, Any]:
        return {"payment": subject, "then": _then(found), "states": STATES, "ends": ENDS}

    async def approve(self, request: Request, person: Person, found: approvals.Approval, decide: Decide) -> Response:
        return await self.send(request, person, await approved(self._engine, found, decide))

    async def send(self, request: Request, person: Person, found: approvals.Approval) -> Response:
        command = msgspec.structs.replace(_command(found), approval=consent_of(found))
        id = _id_of(command)
        await trail_of(request).note(
            person, Kind.COMMAND, self.kind, command.payment_id, reason=found.reason, action=found.action,
            message=str(id), approval=str(found.id), operator=found.requested_by, amount=found.amount,
            currency=found.currency,
        )  # fmt: skip
        reply = await send_command(self._settings, self._sender, self._engine, command, id, found.requested_by)
        async with self._engine.begin() as connection:
            await approvals.mark_sent(connection, found.id, utc_now())
        refusal = None if reply is None else reply.refusal
        return page(
            request,
            "approvals/sent.html",
            200 if refusal is None else 409,
            found=found,
            action=ACTIONS[found.action],
            reply=reply,
            refusal=refusal,
            why=None if refusal is None else in_words(refusal, await self.read(found)),
            cure=None if refusal is None else cures.cure_of(refusal.code),
        )


def _then(found: approvals.Request) -> Preview:
    return msgspec.json.decode(found.preview, type=Preview)


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
