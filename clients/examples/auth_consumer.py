"""A reference auth service: keeps the access rights of customers, from the queue ``auth.access``.

Run it against a stack: ``python -m clients.examples.auth_consumer amqp://…``. A real service keeps the grants in its
database, in the same transaction in which it compares the versions.
"""

import asyncio
import sys
from typing import Final

from aio_pika.abc import AbstractIncomingMessage

from billing.signals import ALLOW_ACCESS_KEY, DENY_ACCESS_KEY, Access
from clients.examples.consuming import consume
from clients.examples.grants import Grants

QUEUE: Final = "auth.access"


async def serve(url: str, grants: Grants, queue: str = QUEUE) -> None:
    """Apply signals until cancelled."""

    async def handle(signal: Access, _message: AbstractIncomingMessage) -> None:
        applied = grants.apply(signal)
        result = "applied" if applied else "outdated"
        print(f"{result}: {signal.action} {signal.customer_id} {','.join(signal.products)}", flush=True)

    await consume(url, queue, {ALLOW_ACCESS_KEY: Access, DENY_ACCESS_KEY: Access}, handle)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Grants()))
