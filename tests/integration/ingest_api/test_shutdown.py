"""Requests in progress when the process shuts down."""

import asyncio
from typing import Any
from uuid import UUID


async def test_a_waiting_request_is_answered_at_once_when_the_process_shuts_down(serve, body, eventually) -> None:
    async with serve() as world:
        request = asyncio.create_task(world.create(body, Prefer="wait=30"))
        await eventually(lambda: len(world.waiting) == 1)
        world.server.should_exit = True

        answer = await request

        assert answer.status == 202
        assert UUID(answer.json["id"]) == world.writer.commands[0].payment_id


async def test_a_command_that_is_being_stored_at_shutdown_is_stored_and_answered(
    serve, body, eventually, monkeypatch
) -> None:
    async with serve() as world:
        acknowledged, store, under_way = asyncio.Event(), world.writer.store, []

        async def slowly(*message: Any) -> None:
            under_way.append(message)
            await acknowledged.wait()
            await store(*message)

        monkeypatch.setattr(world.writer, "store", slowly)
        request = asyncio.create_task(world.create(body))
        await eventually(lambda: len(under_way) == 1)
        world.server.should_exit = True
        await eventually(lambda: not world.server.servers[0].is_serving())
        acknowledged.set()

        answer = await request

        assert answer.status == 202
        assert UUID(answer.json["id"]) == world.writer.commands[0].payment_id
