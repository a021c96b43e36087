"""What a shop sees when it follows a subscription."""

import asyncio
import json
from typing import Any

import msgspec

from billing.messages import Envelope
from billing.messages.subscription_events import SubscriptionChanged
from billing.subscriptions.decision import snapshot
from tests.support.ingest_fakes import NOW
from tests.support.subscription_shop import ID, PATH, Shop

AUTH = {"Authorization": "Bearer site-key-1"}


async def event(response: Any) -> tuple[int, dict[str, Any]]:
    """The next event's id and data."""
    fields: dict[str, str] = {}
    async with asyncio.timeout(20):
        while True:
            line = (await response.content.readline()).decode().rstrip("\n")
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                assert fields["event"] == "subscription.changed"
                return int(fields["id"]), json.loads(fields["data"])


def publish(world: Any, change: SubscriptionChanged) -> None:
    id = str(change.subscription_id)
    envelope = Envelope.wrap(change, id="e", source="/test", subject=id, time=NOW)
    world.dependencies.subscription_changes.take(id.encode(), envelope.encode())


async def test_every_change_comes_once_and_in_order_the_first_from_the_journal(world: Any) -> None:
    shop = Shop(world)
    await shop.active()
    version = shop.subscription.version
    latest = SubscriptionChanged(**msgspec.structs.asdict(snapshot(shop.subscription)))
    async with world.http.get(world.url + PATH + "/events", headers={**AUTH, "Last-Event-ID": "1"}) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        seen = [await event(response) for _ in range(version - 1)]
        assert [number for number, _ in seen] == list(range(2, version + 1))
        assert (seen[-1][1]["id"], seen[-1][1]["status"]) == (str(ID), "ACTIVE")

        publish(world, latest)
        publish(world, msgspec.structs.replace(latest, version=version + 1))
        assert (await event(response))[0] == version + 1


async def test_streams_of_payments_and_subscriptions_share_the_places_of_a_client(world: Any) -> None:
    shop = Shop(world)
    await shop.active()
    for _ in range(3):
        response = await world.http.get(world.url + PATH + "/events", headers=AUTH)
        assert (await event(response))[0] == shop.subscription.version
    refused = await world.http.get(world.url + PATH + "/events", headers=AUTH)
    assert (refused.status, (await refused.json())["type"]) == (429, "/problems/too-many-event-streams")
