"""A reference notification service: writes one letter per signal of ``notify.customer``.

Run it against a stack: ``python -m clients.examples.notify_consumer amqp://…``. A real service keeps the ids of the
messages it has dealt with as long as a repeat may come (days), next to the letters it has sent.
"""

import asyncio
import sys
from typing import Final

from aio_pika.abc import AbstractIncomingMessage

from billing.signals import Notification
from clients.examples.consuming import consume
from clients.examples.letters import Letter, write

QUEUE: Final = "notify.customer"


class Outbox:
    """Letters by the id of the message that caused them: a repeated message causes none."""

    def __init__(self) -> None:
        self.letters: dict[str, Letter] = {}

    def take(self, message_id: str, notification: Notification) -> bool:
        """Write the letter; ``False`` when it was written before."""
        if message_id in self.letters:
            return False
        self.letters[message_id] = write(notification)
        return True


async def serve(url: str, outbox: Outbox, queue: str = QUEUE) -> None:
    """Write letters until cancelled."""

    async def handle(notification: Notification, message: AbstractIncomingMessage) -> None:
        message_id = message.message_id or ""
        if outbox.take(message_id, notification):
            letter = outbox.letters[message_id]
            print(f"to {letter.customer_id}: {letter.subject}", flush=True)

    await consume(url, queue, Notification, handle)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Outbox()))
