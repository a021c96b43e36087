"""What a shop sees when it listens to a payment."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
import pytest

from billing.messages import Envelope, PaymentChanged, PaymentSnapshot
from billing.payments.decision import snapshot
from storage.access.api_keys import StoredKey
from storage.access.key_ring import digest_of
from tests.support.factories import NOW, captured

AUTH = {"Authorization": "Bearer site-key-1"}


class Listening:
    """A client that reads a stream event by event."""

    def __init__(self, response: Any) -> None:
        self._response = response

    async def event(self) -> tuple[int, dict[str, Any]]:
        """The next event's id and data."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(20):
            while True:
                line = (await self._response.content.readline()).decode().rstrip("\n")
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "data" in fields:
                    assert fields["event"] == "payment.changed"
                    return int(fields["id"]), json.loads(fields["data"])

    async def ends(self) -> bool:
        async with asyncio.timeout(20):
            return await self._response.content.read() is not None


@asynccontextmanager
async def listening(world, id: UUID, **headers: str) -> AsyncIterator[Listening]:
    url = f"{world.url}/v1/payments/{id}/events"
    async with world.http.get(url, headers={**AUTH, **headers}) as response:
        assert response.status == 200, await response.read()
        assert response.headers["Content-Type"].startswith("text/event-stream")
        yield Listening(response)


@pytest.fixture
def payment(world) -> PaymentSnapshot:
    """A payment in the books, and all its changes in the journal."""
    kept = captured()
    world.keep(kept)
    shown = snapshot(kept, kept.operations)
    world.reads.journal = [at(shown, version) for version in range(1, kept.version + 1)]
    return shown


def at(payment: PaymentSnapshot, version: int) -> PaymentChanged:
    return PaymentChanged(**msgspec.structs.asdict(payment) | {"version": version})


def publish(world, *changes: PaymentChanged) -> None:
    for change in changes:
        id = str(change.payment_id)
        envelope = Envelope.wrap(change, id="e", source="/test", subject=id, time=NOW)
        world.dependencies.changes.take(id.encode(), envelope.encode())


async def test_the_first_event_is_the_payment_as_it_stands_and_changes_follow(world, payment) -> None:
    async with listening(world, payment.payment_id) as client:
        version, data = await client.event()
        assert (version, data["status"], data["version"]) == (payment.version, "CAPTURED", payment.version)
        assert len(data["operations"]) == 2

        publish(world, at(payment, version), at(payment, version + 1), at(payment, version + 1))
        publish(world, at(payment, version + 2))
        assert [(await client.event())[0] for _ in range(2)] == [version + 1, version + 2]


async def test_a_client_that_comes_back_gets_what_it_missed_once_and_in_order(world, payment) -> None:
    async with listening(world, payment.payment_id, **{"Last-Event-ID": "1"}) as client:
        seen = [(await client.event())[0] for _ in range(payment.version - 1)]
        publish(world, at(payment, payment.version), at(payment, payment.version + 1))
        seen.append((await client.event())[0])

    assert seen == list(range(2, payment.version + 2))


async def test_a_gap_is_filled_from_the_journal(world, payment) -> None:
    async with listening(world, payment.payment_id) as client:
        version, _ = await client.event()
        world.reads.journal += [at(payment, version + 1), at(payment, version + 2)]
        publish(world, at(payment, version + 2))

        assert [(await client.event())[0] for _ in range(2)] == [version + 1, version + 2]


async def test_a_slow_client_costs_a_bounded_queue_and_misses_nothing(world, payment) -> None:
    async with listening(world, payment.payment_id) as client:
        version, _ = await client.event()
        coming = [at(payment, version + n) for n in range(1, 201)]
        world.reads.journal += coming
        publish(world, *coming)  # all at once: nobody could have read one in between

        assert [(await client.event())[0] for _ in range(200)] == [change.version for change in coming]


async def test_what_happened_while_the_topic_was_lost_is_made_up_for(world, payment) -> None:
    async with listening(world, payment.payment_id) as client:
        version, _ = await client.event()
        world.dependencies.changes.lost()
        world.reads.journal.append(at(payment, version + 1))
        world.dependencies.changes.live([])

        assert (await client.event())[0] == version + 1


async def test_listeners_share_one_feed_and_do_not_poll(world, payment) -> None:
    async with listening(world, payment.payment_id) as one, listening(world, payment.payment_id) as two:
        version, _ = await one.event()
        await two.event()
        for n in range(1, 20):
            publish(world, at(payment, version + n))
            assert [(await client.event())[0] for client in (one, two)] == [version + n] * 2

    assert world.reads.journal_reads == 2, "each looked once, when it came"


async def test_only_the_client_of_a_payment_may_follow_it(world, payment) -> None:
    path = f"/v1/payments/{payment.payment_id}/events"
    (await world.get(path)).is_problem(401, "unauthorized")
    (await world.get(path, Authorization="Bearer shop-key-1")).is_problem(404, "payment-not-found")
    (await world.get(path, **AUTH, **{"Last-Event-ID": "newest"})).is_problem(422, "invalid-request")


async def test_places_are_bounded_for_each_client_and_given_back(world, payment, eventually) -> None:
    path = f"/v1/payments/{payment.payment_id}/events"
    id = payment.payment_id
    others = world.keep(captured(client_id="shop"))
    async with listening(world, id), listening(world, id), listening(world, id):
        refused = await world.get(path, **AUTH)
        refused.is_problem(429, "too-many-event-streams")
        assert refused.headers["Retry-After"] == "10"
        async with listening(world, others, Authorization="Bearer shop-key-1"):
            text = (await world.get("/metrics")).raw.decode()
            assert 'ingest_event_streams{client="site"} 3.0' in text
            assert 'ingest_event_streams{client="shop"} 1.0' in text
    # A client that is gone is noticed when something is sent to it.
    publish(world, *(at(payment, payment.version + n) for n in range(1, 4)))
    await eventually(lambda: not world.dependencies.changes.wanted)


async def test_places_are_bounded_for_all_clients_together(serve) -> None:
    async with serve(ingest_event_streams=2) as world:
        own, others = world.keep(captured()), world.keep(captured(client_id="shop"))
        shop = {"Authorization": "Bearer shop-key-1"}
        async with listening(world, own), listening(world, others, **shop):
            refused = await world.get(f"/v1/payments/{others}/events", **shop)
            refused.is_problem(503, "service-unavailable")
            assert refused.headers["Retry-After"] == "1"


@pytest.mark.parametrize("then", [[], ["payments:write"]], ids=["revoked", "without the scope"])
async def test_a_stream_ends_when_its_key_may_no_longer_read(serve, then: list[str]) -> None:
    async with serve(api_keys_refresh_s=0.05) as world:
        key = StoredKey(
            id="k", client="site", hash=digest_of("site-key-2"), scopes=["payments:read"], rate_per_s=None,
            created_at=NOW, revoked_at=None, last_used_at=None,
        )  # fmt: skip
        keys = world.dependencies.admission.keys
        world.book.keys = [key]
        await keys.refresh()
        async with listening(world, world.keep(captured()), Authorization="Bearer site-key-2") as client:
            await client.event()
            world.book.keys = [msgspec.structs.replace(key, scopes=then)] if then else []
            await keys.refresh()

            assert await client.ends()


async def test_streams_end_when_the_process_shuts_down(serve) -> None:
    async with serve() as world, listening(world, world.keep(captured())) as client:
        await client.event()
        world.server.should_exit = True

        assert await client.ends()
