"""Wake-ups: messages to subscriptions that something of theirs is due. They carry no decision; a repeat changes nothing."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from billing.messages.subscription_commands import ProviderState, Wake
from billing.messages.topics import SUBSCRIPTIONS
from billing.subscriptions.agenda import What
from runtime.kafka.publisher import OutboundMessage, outbound
from storage.subscriptions.due import MethodUse, method_uses

SOURCE: Final = "/reconciliation/renewals"


async def wake_ups(
    connection: AsyncConnection,
    due: Sequence[tuple[UUID, str, UUID | None]],
    at: datetime,
    provider_state: ProviderState = ProviderState.OK,
) -> list[OutboundMessage]:
    """Wake subscriptions at ``at`` (UTC). ``due``: id, the name of the appointment, the method to charge: before a retry
    the subscription must know how often the method was tried for all of them."""
    retried = {method for _, what, method in due if what == What.RETRY.name and method is not None}
    uses = await method_uses(connection, retried, at)
    return [
        _message(id, at, provider_state, uses.get(method) if what == What.RETRY.name and method is not None else None)
        for id, what, method in due
    ]


def _message(id: UUID, at: datetime, provider_state: ProviderState, use: MethodUse | None) -> OutboundMessage:
    wake = Wake(
        id,
        at=at,
        provider_state=provider_state,
        method_tries=0 if use is None else use.tries,
        method_tried_at=None if use is None else use.tried_at,
    )
    return outbound(SUBSCRIPTIONS, wake, id=f"{id}/wake/{at.isoformat()}", source=SOURCE, time=at)
