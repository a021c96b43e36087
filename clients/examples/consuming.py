"""Consumption of a queue: one message after another, acknowledged after it was handled."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

import aio_pika
import msgspec
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

T = TypeVar("T")

#: Messages that the broker delivers before the first is acknowledged.
PREFETCH: Final = 50
#: Seconds between a lost connection and the next attempt.
RECONNECT_S: Final = 1.0


async def consume(
    url: str,
    queue: str,
    bodies: Mapping[str, type[T]],
    handle: Callable[[T, AbstractIncomingMessage], Awaitable[None]],
) -> None:
    """Consume ``queue`` until cancelled, and reconnect when the connection is lost. ``handle`` has to be idempotent:
    delivery is at least once. ``bodies``: routing key → the type of the body.

    A message with another routing key or another body becomes a dead letter at once. If ``handle`` raises, the message is
    requeued, and becomes a dead letter after the queue's delivery limit.
    """
    connection = await aio_pika.connect_robust(url, reconnect_interval=RECONNECT_S)
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=PREFETCH)
        await _consume(channel, queue, bodies, handle)


async def _consume(
    channel: AbstractChannel,
    name: str,
    bodies: Mapping[str, type[T]],
    handle: Callable[[T, AbstractIncomingMessage], Awaitable[None]],
) -> None:
    # Passive: the queue is declared by the publisher, so that no signal is lost before the first consumer starts.
    queue = await channel.get_queue(name)
    async with queue.iterator() as messages:
        async for message in messages:
            try:
                body = msgspec.json.decode(message.body, type=bodies[message.routing_key or ""])
            except (KeyError, msgspec.MsgspecError, ValueError):
                await message.reject(requeue=False)
                continue
            async with message.process(requeue=True):
                await handle(body, message)
