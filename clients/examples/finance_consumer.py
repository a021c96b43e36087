"""A reference consumer of finance: keeps a list of what somebody has to look at, from the queue ``finance.clearing``.

Run it against a stack: ``python -m clients.examples.finance_consumer amqp://…``. A real one opens a ticket for each, and
stores the ids of handled messages with them, for as long as a message can be repeated (days).
"""

import asyncio
import sys
from typing import Final

from aio_pika.abc import AbstractIncomingMessage

from billing.signals import FINANCE_BODIES, BooksDay, Chargeback, Discrepancy, StatementMissing
from clients.examples.consuming import consume

QUEUE: Final = "finance.clearing"

Body = Discrepancy | StatementMissing | Chargeback | BooksDay


class Tasks:
    """Tasks by the id of their message: a repeated message makes none."""

    def __init__(self) -> None:
        self.by_message: dict[str, str] = {}

    def add(self, message_id: str, body: Body) -> bool:
        """Note the task; ``False`` if it was noted before."""
        if message_id in self.by_message:
            return False
        self.by_message[message_id] = task(body)
        return True


def task(body: Body) -> str:
    """What somebody has to do, in one line. Amounts are minor units."""
    match body:
        case Discrepancy():
            sides = f"ours {body.ours}, theirs {body.theirs} {body.currency or ''}".rstrip()
            return (
                f"{body.severity} {body.kind} at {body.provider}, {body.business_date}: {sides} ({body.discrepancy_id})"
            )
        case StatementMissing():
            return f"ask {body.provider} for the statement of {body.business_date}"
        case Chargeback():
            what = "returned" if body.undone else "charged back"
            return f"{body.amount} {body.currency} {what} at {body.provider}, payment {body.payment_id}"
        case BooksDay():
            return f"file the trial balance of {body.accounting_date}, closed by {body.closed_by}"


async def serve(url: str, tasks: Tasks, queue: str = QUEUE) -> None:
    """Note tasks until cancelled."""

    async def handle(body: Body, message: AbstractIncomingMessage) -> None:
        message_id = message.message_id or ""
        if tasks.add(message_id, body):
            print(tasks.by_message[message_id], flush=True)

    await consume(url, queue, FINANCE_BODIES, handle)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Tasks()))
