"""The signals of a storm's subscriptions, as a plain consumer receives them: some twice, in any order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import aio_pika
import msgspec
from aio_pika.abc import AbstractIncomingMessage

from billing.signals import ALLOW_ACCESS_KEY, DENY_ACCESS_KEY
from billing.signals.bodies import Access, SubscriptionNotification, notice_key
from cli.demo.evidence import QUEUE_EXPIRES_MS
from sinks.rabbitmq.publisher import SIGNALS

#: The letters that thank for a renewal's payment.
_RECEIPTS: Final = (notice_key("renewed"), notice_key("recovered"))
_KEYS: Final = (ALLOW_ACCESS_KEY, DENY_ACCESS_KEY, *_RECEIPTS)


class Signals:
    """What was received. ``prefix``: of the ids of the customers to listen for."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        #: Message id → the subscription, and the amount that its letter thanks for, minor units.
        self.receipts: dict[str, tuple[UUID, int]] = {}
        #: Subscription → the signal about its access with the highest version.
        self.access: dict[UUID, Access] = {}

    async def take(self, message: AbstractIncomingMessage) -> None:
        """Remember a signal."""
        if message.routing_key in _RECEIPTS:
            letter = msgspec.json.decode(message.body, type=SubscriptionNotification)
            if letter.customer_id.startswith(self._prefix):
                self.receipts[str(message.message_id)] = (letter.data.subscription_id, letter.data.amount)
        else:
            access = msgspec.json.decode(message.body, type=Access)
            id = access.subscription_id
            if id is not None and access.customer_id.startswith(self._prefix):
                known = self.access.get(id)
                if known is None or access.version > known.version:
                    self.access[id] = access
        await message.ack()


@asynccontextmanager
async def listening(rabbitmq_url: str, run: str, prefix: str) -> AsyncIterator[Signals]:
    """Receive signals by a queue of the storm's own."""
    signals = Signals(prefix)
    async with await aio_pika.connect_robust(rabbitmq_url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=500)
        queue = await channel.declare_queue(f"storm.{run}", durable=True, arguments={"x-expires": QUEUE_EXPIRES_MS})
        for key in _KEYS:
            await queue.bind(SIGNALS.exchange, key)
        await queue.consume(signals.take)
        yield signals
