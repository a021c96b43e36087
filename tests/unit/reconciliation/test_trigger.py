"""Rocketry as the trigger: it comes at once, and leaves pydantic as it was."""

import asyncio
import sys

import pydantic

from reconciliation.trigger import Trigger


async def test_a_start_triggers_the_minute_at_once_and_a_stop_ends_it() -> None:
    came = asyncio.Event()
    trigger = Trigger("Europe/Moscow", came.set, lambda: None)
    running = asyncio.ensure_future(trigger.run())
    async with asyncio.timeout(10):
        await came.wait()
        trigger.stop()
        await running


def test_everybody_else_has_pydantic_2() -> None:
    assert sys.modules["pydantic"] is pydantic
    assert pydantic.VERSION.startswith("2.")
