"""The record of what operators did: one row per action, append-only but for its outcome."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


class Outcome(StrEnum):
    """``STARTED``: under way, or the process died: the subject shows whether the action took effect. ``UNANSWERED``:
    the command is stored, its reply was not seen. ``FAILED``: an error, named in the details."""

    STARTED = "started"
    DONE = "done"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    FAILED = "failed"


class OperatorAction(msgspec.Struct, frozen=True, kw_only=True):
    """An action to record. ``at``: UTC. The subject is what it changes: a payment, provider, API client, API key,
    dead letter, run of a job or accounting date."""

    at: datetime
    actor: str
    action: str
    reason: str
    subject_kind: str
    subject_id: str
    details: Mapping[str, Any]


_RECORD = text(
    """
    INSERT INTO operator_actions (at, actor, action, reason, subject_kind, subject_id, details, outcome)
    VALUES (:at, :actor, :action, :reason, :subject_kind, :subject_id, CAST(:details AS jsonb), 'started')
    RETURNING id
    """
)
_COMPLETE = text(
    """
    UPDATE operator_actions SET outcome = :outcome, details = details || CAST(:details AS jsonb)
    WHERE id = :id AND outcome = 'started'
    """
)


async def record(connection: AsyncConnection, action: OperatorAction) -> int:
    """Record a started action in the caller's transaction; returns its id."""
    values = msgspec.structs.asdict(action) | {"details": _json(action.details)}
    id: int = (await connection.execute(_RECORD, values)).scalar_one()
    return id


async def complete(connection: AsyncConnection, id: int, outcome: Outcome, details: Mapping[str, Any]) -> None:
    """Record the outcome of a started action, in the caller's transaction. An outcome on record stays."""
    await connection.execute(_COMPLETE, {"id": id, "outcome": outcome, "details": _json(details)})


def _json(details: Mapping[str, Any]) -> str:
    return msgspec.json.encode(details).decode()
