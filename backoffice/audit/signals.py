"""RabbitMQ: what can be seen of signals without taking them from their consumers.

A queue cannot be read without delivering its messages (and counting towards their delivery limit), and what was
consumed is gone. So three facts together stand for the signals: every version of a payment is in ``billing.events``
(``event_missing``), the sink has confirmed everything up to the end of it (``signals_behind``), and no consumer gave
one back for good (``signal_dead``).
"""

from collections.abc import Mapping
from typing import Final

import aio_pika

from backoffice.audit.findings import Findings
from runtime.settings import Settings

#: Where signals end that a consumer gave back for good.
DEAD_QUEUES: Final = ("auth.access.dead", "notify.customer.dead")
TIMEOUT_S: Final = 10.0


async def count_dead(settings: Settings, queues: tuple[str, ...] = DEAD_QUEUES) -> dict[str, int]:
    """Queue → messages in it; raises ``ChannelNotFoundEntity`` for a queue that is not there."""
    counts = {}
    async with await aio_pika.connect(settings.rabbitmq_url, timeout=TIMEOUT_S) as connection:
        for name in queues:
            channel = await connection.channel()
            queue = await channel.declare_queue(name, passive=True)
            counts[name] = queue.declaration_result.message_count or 0
    return counts


def check_dead(counts: Mapping[str, int], findings: Findings) -> None:
    """Dead-letter queues are empty."""
    for name, messages in counts.items():
        findings.checked["queues"] += 1
        if messages:
            findings.found("signal_dead", name, f"{messages} signals given back by their consumer for good")
