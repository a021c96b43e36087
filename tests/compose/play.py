"""Runs inside the compose network: twenty customers buy through the proxy, as `billing demo`'s do."""

import asyncio
import json
import socket
import sys
import time

import aiohttp

from cli.demo.shop import Shop

CUSTOMERS = 20
#: A new key is known to all replicas within 5 s.
PATIENCE_S = 60


async def wait_until_known(key: str) -> None:
    """Until every replica of ingest admits the key."""
    addresses = {found[4][0] for found in socket.getaddrinfo("ingest", 8080, type=socket.SOCK_STREAM)}
    headers = {"Authorization": f"Bearer {key}"}
    deadline = time.monotonic() + PATIENCE_S
    async with aiohttp.ClientSession(headers=headers) as session:
        while addresses and time.monotonic() < deadline:
            for address in tuple(addresses):
                async with session.get(f"http://{address}:8080/v1/payments") as answer:
                    if answer.status == 200:
                        addresses.remove(address)
            await asyncio.sleep(0.2)
    assert not addresses, f"the key is not known to {addresses}"


async def play(key: str) -> None:
    await wait_until_known(key)
    shop = Shop("http://proxy:8080", key, "compose", seed=1)
    await shop.open(CUSTOMERS)
    print(json.dumps({"accepted": sorted(shop.accepted), "refused": shop.refused}))


asyncio.run(play(sys.argv[1]))
