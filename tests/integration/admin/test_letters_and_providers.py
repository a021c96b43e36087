"""The pages of dead letters and of providers, on real Kafka and Postgres."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from backoffice import provider_switches
from billing.access.roles import Role
from billing.messages.topics import DEAD_LETTERS, INBOX
from runtime.kafka import dead_letters
from runtime.kafka.clients import new_producer
from runtime.settings import Settings
from storage.staff.trail import Kind
from tests.support.factories import PROVIDER
from tests.unit.admin.conftest import World, serving


class Buried:
    """A message that could not be processed."""

    partition, key, headers = 0, b"key", [("id", b"1")]

    def __init__(self, value: bytes) -> None:
        self.value = value
        self.offset = uuid4().int % 10**9


@pytest.fixture
async def world(database: AsyncEngine, stack: dict[str, Any]) -> AsyncIterator[World]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with serving(postgres_url=url, kafka_url=stack["urls"]["kafka"]) as world:
        await world.sign_in(Role.ADMIN)
        yield world


async def bury(settings: Settings, value: bytes, cause: str, topic: str = INBOX.name) -> str:
    """Returns the letter's id."""
    producer = new_producer(settings)
    await producer.start()
    try:
        message = Buried(value)
        await dead_letters.write(producer, "tests-panel", topic, message, ValueError(cause))
    finally:
        await producer.stop()
    return [
        letter.id
        async for letter in dead_letters.read_letters(settings)
        if letter.origin == f"{topic}/0/{message.offset}"
    ][-1]


async def text_of(world: World, path: str) -> str:
    response = await world.get(path)
    assert response.status == 200, await response.text()
    return await response.text()


async def test_letters_of_one_cause_are_a_group_and_personal_data_is_masked(world: World) -> None:
    name = uuid4().hex
    ids = [await bury(world.settings, b'{"email": "ann@example.com"}', f"{name} no field {n}") for n in (1, 22)]
    page = await text_of(world, "/letters")
    heading = f"ValueError: {name} no field 22"
    cause = f"<code>{heading}</code>"
    assert page.count(cause) == 1
    section = page.partition(cause)[2].partition("</section>")[0]
    assert [id for id in ids if f'href="/letters/{id}"' in section] == ids
    assert f"{name} no field 1<" not in page
    letter = await text_of(world, f"/letters/{ids[0]}")
    assert "ann@example.com" not in letter
    assert (world.trail.entries[-1].kind, world.trail.entries[-1].subject_id) == (Kind.VIEW, ids[0])


async def test_a_letter_is_replayed_once_with_name_and_reason(world: World, database: AsyncEngine) -> None:
    # To the dead letters' own topic nothing is replayed; a topic of ours without a consumer here is the replies'.
    id = await bury(world.settings, b"{}", "mended", topic="billing.replies")
    for reason in ("", "x" * 251, "of 4111 1111 1111 1111"):
        assert (await world.post(f"/letters/{id}/replay", {"reason": reason})).status == 422
    assert (await world.post(f"/letters/{id}/replay", {"reason": "the schema is mended"})).status == 303
    page = await text_of(world, f"/letters/{id}")
    assert "the schema is mended" in page
    assert "Discard" not in page
    again = await world.post(f"/letters/{id}/discard", {"reason": "twice"})
    assert again.status == 409
    assert "replayed" in await again.text()
    noted = [(e.kind, e.reason, e.detail["action"]) for e in world.trail.entries if e.kind is Kind.LETTER]
    assert noted == [(Kind.LETTER, "the schema is mended", "replay"), (Kind.LETTER, "twice", "discard")]
    async with database.connect() as connection:
        (row,) = await connection.execute(
            text("SELECT actor, reason FROM operator_actions WHERE subject_id = :id AND action LIKE 'replay%'"),
            {"id": id},
        )
    assert row.reason == "the schema is mended"


async def test_a_letter_is_discarded_by_an_administrator_alone(world: World) -> None:
    id = await bury(world.settings, b"{}", "for nobody")
    await world.sign_in(Role.FINANCE)
    assert "Discard" not in await text_of(world, f"/letters/{id}")
    assert (await world.post(f"/letters/{id}/discard", {"reason": "mine"})).status == 403
    await world.sign_in(Role.ADMIN)
    assert (await world.post(f"/letters/{id}/discard", {"reason": "of a test"})).status == 303
    assert f'href="/letters/{id}"' not in await text_of(world, "/letters")


@pytest.mark.parametrize("id", ["0-999999999", "x", "1", f"{DEAD_LETTERS.name}-1"])
async def test_a_letter_that_is_not_there_is_not_found(world: World, id: str) -> None:
    assert (await world.get(f"/letters/{id}")).status == 404
    assert (await world.post(f"/letters/{id}/replay", {"reason": "why not"})).status == 404


async def test_a_provider_is_switched_off_and_on_with_name_and_reason(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_switches, "LOOK_EVERY_S", 0.0)
    assert "switched off" not in (await text_of(world, "/providers")).replace("that is switched off", "")
    for reason in (" ", "x" * 251, "of 4111 1111 1111 1111"):
        assert (await world.post(f"/providers/{PROVIDER}/off", {"reason": reason})).status == 422
    assert (await world.post("/providers/nobody/off", {"reason": "why not"})).status == 404
    assert (await world.post(f"/providers/{PROVIDER}/off", {"reason": "their incident 7"})).status == 303
    page = await text_of(world, "/providers")
    assert "their incident 7" in page
    assert f"/providers/{PROVIDER}/on" in page
    assert (await world.post(f"/providers/{PROVIDER}/on", {"reason": "it is over"})).status == 303
    assert f"/providers/{PROVIDER}/off" in await text_of(world, "/providers")
    noted = [(e.subject_id, e.reason, e.detail) for e in world.trail.entries if e.kind is Kind.SWITCH]
    assert noted == [
        (PROVIDER, "their incident 7", {"enabled": False}),
        (PROVIDER, "it is over", {"enabled": True}),
    ]


async def test_finance_sees_providers_and_does_not_switch_them(world: World) -> None:
    await world.sign_in(Role.FINANCE)
    assert '<form method="post" action="/providers' not in await text_of(world, "/providers")
    assert (await world.post(f"/providers/{PROVIDER}/off", {"reason": "mine"})).status == 403
