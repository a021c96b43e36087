"""How a service reads its queue: one message after another, acknowledged when it is dealt with."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import aio_pika
import msgspec
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

T = TypeVar("T")

#: Messages the broker hands over before the first is acknowledged.
PREFETCH: Final = 50
#: Between a cut connection and the next try, seconds.
RECONNECT_S: Final = 1.0


async def consume(
    url: str, queue: str, type: type[T], handle: Callable[[T, AbstractIncomingMessage], Awaitable[None]]
) -> None:
    """Read ``queue`` until cancelled, over cut connections. ``handle`` must bear repeats: delivery is at least once.

    A body that is not a ``type`` goes to the dead letters at once. When ``handle`` raises, the message goes back to
    the queue, and after the queue's delivery limit to the dead letters too.
    """
    connection = await aio_pika.connect_robust(url, reconnect_interval=RECONNECT_S)
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=PREFETCH)
        await _consume(channel, queue, type, handle)


async def _consume(
    channel: AbstractChannel, name: str, type: type[T], handle: Callable[[T, AbstractIncomingMessage], Awaitable[None]]
) -> None:
    # Passive: the queue is declared by the publisher, so that no signal is lost before the first consumer starts.
    queue = await channel.get_queue(name)
    async with queue.iterator() as messages:
        async for message in messages:
            try:
                body = msgspec.json.decode(message.body, type=type)
            except (msgspec.MsgspecError, ValueError):
                await message.reject(requeue=False)
                continue
            async with message.process(requeue=True):
                await handle(body, message)
