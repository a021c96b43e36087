"""The second person of a panel: what waits, and what they decide."""

from typing import Any
from uuid import UUID

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
