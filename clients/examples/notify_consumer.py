"""A reference notification service: writes one letter per signal of ``notify.customer``.

Run it against a stack: ``python -m clients.examples.notify_consumer amqp://…``. A real service stores the ids of
handled messages beside the letters it has sent, for as long as a message can be repeated (days).
"""

import asyncio
import sys
from typing import Final

from aio_pika.abc import AbstractIncomingMessage

from billing.signals import NOTIFICATION_BODIES, Notification, SubscriptionNotification
from clients.examples.consuming import consume
from clients.examples.letters import Letter, write

QUEUE: Final = "notify.customer"


class Letters:
    """Letters by the id of their message: a repeated message writes none."""

    def __init__(self) -> None:
        self.by_message: dict[str, Letter] = {}

    def add(self, message_id: str, notification: Notification | SubscriptionNotification) -> bool:
        """Write the letter; ``False`` if it was written before."""
        if message_id in self.by_message:
            return False
        self.by_message[message_id] = write(notification)
        return True


async def serve(url: str, letters: Letters, queue: str = QUEUE) -> None:
    """Write letters until cancelled."""

    async def handle(notification: Notification | SubscriptionNotification, message: AbstractIncomingMessage) -> None:
        message_id = message.message_id or ""
        if letters.add(message_id, notification):
            letter = letters.by_message[message_id]
            print(f"to {letter.customer_id}: {letter.subject}", flush=True)

    await consume(url, queue, NOTIFICATION_BODIES, handle)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Letters()))
