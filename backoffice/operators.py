"""The person behind an action, and the record of what they did."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from runtime.clock import utc_now
from storage import operator_actions
from storage.operator_actions import OperatorAction, Outcome

log = structlog.get_logger(__name__)

#: Records more of an action in the transaction that carries it out.
Note = Callable[[AsyncConnection], Awaitable[object]]
#: Characters of an error that are recorded.
ERROR_MAX: Final = 500


class ActionRefused(Exception):
    """The action cannot be carried out; nothing was changed. The message says why."""


class InvalidArgument(ActionRefused):
    """An argument of the action is not valid."""


class Operator(msgspec.Struct, frozen=True):
    """Who acts, and why. Raises :class:`ValueError` if either is blank."""

    name: str
    reason: str

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("the operator's name is required")
        if not self.reason.strip():
            raise ValueError("a reason is required")

    @property
    def actor(self) -> str:
        """Who acts, as journals and histories have it."""
        return f"operator:{self.name}"


class ApiClient(Operator, frozen=True):
    """An API client that acts by REST: the client of its key, ``client:NAME``. It cannot act under a person's name."""

    @property
    def actor(self) -> str:
        """Who acts, as journals and histories have it."""
        return self.name


class ActionRecord:
    """The row of an action that has started."""

    def __init__(self, id: int) -> None:
        self._id = id
        self.outcome = Outcome.DONE
        self.details: dict[str, Any] = {}

    async def complete(self, connection: AsyncConnection) -> None:
        """Write the outcome and details in the transaction that changes Postgres: both take effect, or neither."""
        await operator_actions.complete(connection, self._id, self.outcome, self.details)


@asynccontextmanager
async def recorded(
    engine: AsyncEngine, operator: Operator, action: str, subject_kind: str, subject_id: str, **details: Any
) -> AsyncIterator[ActionRecord]:
    """Record an action: a row before its effect, the row's outcome after it.

    A crash in between leaves the row as ``started``. The block sets ``outcome`` and ``details`` where they are not
    plain success; an action that changes Postgres calls :meth:`ActionRecord.complete` in its own transaction. An
    error is recorded as ``refused`` or ``failed`` and raised; the message of a failed action may have reached Kafka.
    """
    async with engine.begin() as connection:
        row = OperatorAction(
            at=utc_now(),
            actor=operator.name,
            action=action,
            reason=operator.reason,
            subject_kind=subject_kind,
            subject_id=subject_id,
            details=details,
        )
        record = ActionRecord(await operator_actions.record(connection, row))
    try:
        yield record
    except BaseException as error:
        record.outcome = Outcome.REFUSED if isinstance(error, ActionRefused) else Outcome.FAILED
        # The first line: SQLAlchemy puts the parameters of the statement on the following ones.
        record.details["error"] = f"{type(error).__name__}: {error}".partition("\n")[0][:ERROR_MAX]
        await _complete(engine, record)
        raise
    await _complete(engine, record)


async def _complete(engine: AsyncEngine, record: ActionRecord) -> None:
    """An outcome that cannot be written must hide neither the action's result nor its error: the row stays started."""
    try:
        async with engine.begin() as connection:
            await record.complete(connection)
    except (SQLAlchemyError, OSError) as error:
        log.warning("the outcome of an operator's action is not recorded", outcome=record.outcome, error=repr(error))
