"""The way of a command from the panel to its subscription: in Kafka, then answered."""

from sqlalchemy.ext.asyncio import AsyncEngine

from admin.payments.sending import WAIT_S, stored
from backoffice.sender import Sender
from billing.messages.subscription_commands import SubscriptionCommand
from billing.messages.subscription_events import SubscriptionReply
from billing.messages.topics import SUBSCRIPTIONS


async def send_command(
    sender: Sender, engine: AsyncEngine, command: SubscriptionCommand, operator: str
) -> SubscriptionReply | None:
    """Store the command in Kafka under the operator's name; its reply, ``None`` where it has none yet. Raises
    :class:`~runtime.http.problems.ProblemError` 503 as :func:`~admin.payments.sending.stored` does."""
    async with stored(engine):
        return await sender.send(SUBSCRIPTIONS, command, command.command_id, operator, SubscriptionReply, WAIT_S)
