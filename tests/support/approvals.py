"""The second person of a panel: what waits, and what they decide."""

import asyncio
from typing import Any
from uuid import UUID

import aiohttp

from admin.people import cookies
from admin.people.forms import form_token
from admin.trail.trail import Trail
from storage.staff.trail import Kind
from tests.support.panel import Panel


async def the_request(panel: Panel) -> UUID:
    """The id of the only request."""
    ((id,),) = await panel.rows("SELECT id FROM approvals")
    return UUID(str(id))


async def decides(panel: Panel, what: str, id: UUID, **fields: str) -> tuple[int, str]:
    """``approve``, ``refuse`` or ``send``: the answer's status and text."""
    response = await panel.world.post(f"/approvals/{id}/{what}", fields)
    return response.status, await response.text()


async def at_once(panel: Panel, id: UUID, *wanted: tuple[str, str]) -> list[int]:
    """People decide on the request at the same moment, each in a browser of their own: pairs of a name and ``approve`` or
    ``refuse``. The statuses of the answers."""
    for name, _ in wanted:
        panel.become(name)

    async def answer(name: str, what: str) -> int:
        path, session = f"/approvals/{id}/{what}", f"session-of-{name}"
        form = {"form_token": form_token(session, path, panel.world.accounts.clock()), "reason": "too much"}
        own = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), headers={"Cookie": f"{cookies.SESSION}={session}"}
        )
        async with own, own.post(panel.world.url + path, data=form, allow_redirects=False) as response:
            return response.status

    return await asyncio.gather(*(answer(name, what) for name, what in wanted))


async def expires(panel: Panel, id: UUID) -> None:
    """A day passes for the request."""
    await changed(panel, f"UPDATE approvals SET expires_at = now() - interval '1 second' WHERE id = '{id}'")


async def changed(panel: Panel, statement: str) -> None:
    """What only somebody with the database's highest rights can do: past the trigger."""
    async with panel.stream.engine.begin() as connection:
        for sql in ("ALTER TABLE approvals DISABLE TRIGGER approvals_keep", statement,
                    "ALTER TABLE approvals ENABLE TRIGGER approvals_keep"):  # fmt: skip
            await connection.exec_driver_sql(sql)


def with_trail(panel: Panel) -> None:
    """Every entry of the trail is in the database."""
    panel.world.app.state.trail = Trail(panel.stream.engine)


async def refusals(panel: Panel) -> list[tuple[str, str]]:
    """Who was refused an approval, and why, by the trail; the oldest first."""
    rows: list[Any] = await panel.rows(
        "SELECT who, detail ->> 'why' FROM staff_trail"
        f" WHERE kind = '{Kind.REFUSED}' AND subject_kind = 'approval' ORDER BY id"
    )
    return [(who.partition("@")[0], why) for who, why in rows]
