"""The way of a command from the panel to its payment: on the trail, then in Kafka, then answered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.language import gettext
from admin.payments.actions import Command
from admin.problems import Problem
from backoffice.commands import require_understood
from backoffice.follow_ups import query_provider
from backoffice.operators import ActionRefused, Operator
from backoffice.sender import Sender
from billing.messages import AmendPayment, FollowUpOperation, Reply
from billing.messages.topics import INBOX
from runtime.http.problems import ProblemError
from runtime.kafka.clients import KAFKA_ERRORS
from runtime.settings import AdminSettings

log = structlog.get_logger(__name__)

SOURCE: Final = "/admin"
#: Seconds that a page waits for the reply. Most providers answer in less; what does not is shown as stored.
WAIT_S: Final = 5.0
#: Seconds until Kafka has to have the command and its reply, connections included.
PATIENCE_S: Final = 15.0


async def send_command(
    settings: AdminSettings, sender: Sender, engine: AsyncEngine, command: Command, id: UUID, operator: str
) -> Reply | None:
    """Store the command in Kafka under the operator's name; its reply, ``None`` where it has none yet. Raises
    :class:`ProblemError` 503 as :func:`stored` does."""
    async with stored(engine):
        if isinstance(command, FollowUpOperation):
            await query_provider(settings, Operator(operator, command.reason or ""), command.payment_id, sender)
            return None
        return await sender.send(INBOX, command, id, operator, Reply, WAIT_S)


@asynccontextmanager
async def stored(engine: AsyncEngine) -> AsyncIterator[None]:
    """A block that stores a command in Kafka. Raises :class:`ProblemError` 503 where Kafka does not acknowledge it, or a
    worker runs that would not see its conditions: it may be sent again, it is the same command."""
    try:
        # All conditions of commands came with this type: a worker that knows it sees them.
        await require_understood(engine, AmendPayment)
        async with asyncio.timeout(PATIENCE_S):
            yield
    except ActionRefused as error:
        raise ProblemError(Problem.UNAVAILABLE, str(error)) from error
    except (TimeoutError, *KAFKA_ERRORS) as error:
        log.warning("the command is not acknowledged", error=repr(error))
        detail = gettext(
            "Kafka did not acknowledge the command. Send the form again: it is the same command, whether it arrived or not."
        )
        raise ProblemError(Problem.UNAVAILABLE, detail) from error
