"""Approvals of write-offs and acceptances: carried out in the transaction that records the decision, as no message has to be
sent."""

from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.requests import Request
from starlette.responses import Response

from admin.approvals.subjects import Decide, Impossible
from admin.clearing.final_decisions import ACTIONS, FinalDecision, is_possible
from admin.clearing.pages.sides import read_sides
from admin.clearing.pages.words import KINDS, STATES, kind_words
from admin.language import N_, gettext
from admin.pages import see_other
from admin.people.person import Person
from admin.problems import Problem
from admin.retelling import retold
from admin.trail.trail import record
from backoffice.clearing import discrepancies
from backoffice.clearing.discrepancies import ChangedSince
from backoffice.operators import ActionRefused, Operator
from billing.messages import Approval
from runtime.clock import utc_now
from runtime.http.problems import ProblemError
from runtime.settings import AdminSettings
from storage import approvals
from storage.clearing.discrepancies import Discrepancy, one
from storage.staff.trail import Kind


class FinalDecisions:
    """Closes the discrepancy with both names."""

    kind: Final = "discrepancy"
    changed: Final = N_("The discrepancy has changed since this was asked for, or is closed.")

    def __init__(self, settings: AdminSettings, engine: AsyncEngine) -> None:
        self._settings = settings
        self._engine = engine

    def label(self, found: approvals.Approval) -> str:
        _, label = ACTIONS[_asked(found).resolution]
        return label

    async def read(self, found: approvals.Approval) -> Discrepancy:
        async with self._engine.connect() as connection:
            discrepancy = await one(connection, found.subject_id)
        if discrepancy is None:
            raise ProblemError(Problem.DISCREPANCY_NOT_FOUND)
        return discrepancy

    def is_same(self, found: approvals.Approval, subject: Discrepancy) -> bool:
        asked = _asked(found)
        return (
            asked.discrepancy_id == subject.id
            and asked.version == subject.version
            and is_possible(subject, asked.resolution)
            and discrepancies.stake_of(subject) == (found.amount, found.currency)
        )

    async def shown(self, _found: approvals.Approval, subject: Discrepancy) -> dict[str, Any]:
        async with self._engine.connect() as connection:
            sides = await read_sides(connection, subject)
        return {
            "one": subject,
            "sides": sides.amounts,
            "lines": sides.lines,
            "movements": sides.movements,
            "meaning": KINDS[subject.kind],
            "kind_words": kind_words,
            "states": STATES,
        }

    async def approve(self, _request: Request, person: Person, found: approvals.Approval, decide: Decide) -> Response:
        asked, now = _asked(found), utc_now()

        async def within(connection: AsyncConnection) -> None:
            await decide(connection, now)
            await approvals.mark_sent(connection, found.id, now)  # it is on record: it has no way to go
            await record(
                connection, person, Kind.COMMAND, self.kind, found.subject_id, reason=asked.reason, action="resolve",
                version=asked.version, resolution=asked.resolution, approval=str(found.id),
                operator=asked.operator, amount=found.amount, currency=found.currency,
            )  # fmt: skip

        who = Operator(asked.operator, asked.reason)
        approval = Approval(found.id, person.email, now)
        try:
            decided = await discrepancies.settle(
                self._settings, who, asked.discrepancy_id, asked.resolution, approval, seen=asked.version,
                command=asked.command, within=within,
            )  # fmt: skip
        except ChangedSince as error:
            raise Impossible("changed", gettext(self.changed)) from error
        except Impossible:
            raise
        except ActionRefused as error:
            raise Impossible(str(error), retold(str(error))) from error
        if not decided.is_new:
            raise Impossible("decided or expired", gettext("It is decided already, or its time is over."))
        return see_other(f"/approvals/{found.id}")

    async def send(self, _request: Request, _person: Person, _found: approvals.Approval) -> Response:
        raise Impossible("nothing to send", gettext("It is carried out already."))


def _asked(found: approvals.Request) -> FinalDecision:
    return msgspec.json.decode(found.command, type=FinalDecision)
