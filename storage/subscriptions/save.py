"""What a batch of the subscriptions agent writes: subscriptions, their periods, attempts and consents."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.messages.subscription_commands import Consent
from billing.messages.subscription_events import SubscriptionChanged
from billing.subscriptions.model import Subscription
from storage.journal.records import JournalRow
from storage.streams.batches import batch_statement, insert, save_batch, upsert
from storage.streams.positions import Move
from storage.subscriptions.rows import attempt_row, consent_row, period_row, subscription_row
from storage.tables import CONSENTS, RENEWAL_ATTEMPTS, SUBSCRIPTION_PERIODS, SUBSCRIPTIONS


class Change(msgspec.Struct, frozen=True):
    """A decision that created or changed a subscription: what it is afterwards, and what the decision made of it."""

    subscription: Subscription
    event: SubscriptionChanged
    consent: Consent | None = None


#: Columns that never change once their row is there.
_SUBSCRIPTION_FIXED: Final = frozenset(("id", "client_id", "plan_group", "customer_id", "created_at"))
_PERIOD_FIXED: Final = frozenset(("subscription_id", "number"))
_ATTEMPT_FIXED: Final = frozenset(
    ("payment_id", "subscription_id", "period", "number", "purpose", "trigger", "amount", "currency", "requested_at")
)

_SAVE: Final = batch_statement(
    upsert(SUBSCRIPTIONS, "subscriptions", _SUBSCRIPTION_FIXED),
    upsert(SUBSCRIPTION_PERIODS, "periods", _PERIOD_FIXED),
    upsert(RENEWAL_ATTEMPTS, "attempts", _ATTEMPT_FIXED),
    insert(CONSENTS, "consents", "ON CONFLICT DO NOTHING"),
)


async def save(
    connection: AsyncConnection,
    states: Mapping[UUID, Subscription],
    changes: Sequence[Change],
    journal: Sequence[JournalRow],
    moves: Sequence[Move],
) -> None:
    """Write a batch and move positions, all or nothing. ``changes``: in the order in which they were decided.

    Raises :class:`~storage.streams.positions.LostPartition` when a position is not where a move expects it.
    """
    # The last word on each row: one statement writes a row once.
    events = {change.subscription.id: change.event for change in changes}
    periods = {(c.subscription.id, p.number): period_row(c.subscription, p) for c in changes for p in c.event.periods}
    attempts = {a.payment_id: attempt_row(c.subscription, a) for c in changes for a in c.event.attempts}
    rows = {
        "subscriptions": [
            subscription_row(states[id], events[id].next_action, events[id].next_action_at) for id in sorted(events)
        ],
        "periods": [periods[key] for key in sorted(periods)],
        "attempts": [attempts[key] for key in sorted(attempts)],
        "consents": [consent_row(c.subscription, c.consent) for c in changes if c.consent is not None],
    }
    await save_batch(connection, _SAVE, rows, journal, moves)
