#!/bin/sh
# --bootstrap-server HOST:PORT: answers as soon as the broker does.
exec python - "$2" <<'END'
import asyncio
import sys

from aiokafka.client import AIOKafkaClient


async def ask() -> None:
    client = AIOKafkaClient(bootstrap_servers=sys.argv[1], request_timeout_ms=2000)
    await client.bootstrap()
    await client.close()


asyncio.run(ask())
END
