"""RabbitMQ: what can be checked without consuming signals.

Reading a queue delivers its messages (which counts towards their delivery limit), and consumed messages are gone. Three
facts together replace it: every version of a payment is in ``billing.events`` (``event_missing``), the sink has confirmed
everything up to its end (``signals_behind``), and no consumer has rejected a signal for good (``signal_dead``).
"""

from collections.abc import Mapping
from typing import Final

import aio_pika

from backoffice.audit.findings import Findings
from runtime.settings import RabbitmqSettings

#: Queues of signals that a consumer rejected for good.
DEAD_QUEUES: Final = ("auth.access.dead", "notify.customer.dead", "finance.clearing.dead")
TIMEOUT_S: Final = 10.0


async def count_dead(settings: RabbitmqSettings, queues: tuple[str, ...] = DEAD_QUEUES) -> dict[str, int]:
    """Queue → messages in it; raises ``ChannelNotFoundEntity`` for a missing queue."""
    counts = {}
    async with await aio_pika.connect(settings.rabbitmq_url, timeout=TIMEOUT_S) as connection:
        for name in queues:
            channel = await connection.channel()
            queue = await channel.declare_queue(name, passive=True)
            counts[name] = queue.declaration_result.message_count or 0
    return counts


def check_dead(counts: Mapping[str, int], findings: Findings) -> None:
    """Report dead-letter queues that are not empty."""
    for name, messages in counts.items():
        findings.checked["queues"] += 1
        if messages:
            findings.found("signal_dead", name, f"{messages} signals rejected by their consumer for good")
