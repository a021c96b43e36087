"""The trail: append-only, chained, and nothing is shown or done that it cannot record."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.trail.trail import Trail
from billing.access.roles import Role
from runtime.http.problems import ProblemError
from storage.inspection import books
from storage.staff import trail
from storage.staff.trail import Entry, Kind
from tests.integration.admin.people import Hours, at_work
from tests.unit.admin.conftest import World, person_in, serving

NOW: Final = datetime(2026, 11, 28, 12, tzinfo=UTC)
ANN: Final = person_in(Role.FINANCE, "token", NOW)


async def broken(database: AsyncEngine) -> list[tuple[str, str]]:
    async with books.moment(database) as connection:
        return [(str(id), detail) for id, detail in await books.broken(connection, "trail_broken")]


async def forged(database: AsyncEngine, *statements: str) -> None:
    """Change the trail as somebody can who owns the tables."""
    async with database.begin() as connection:
        await connection.execute(text("ALTER TABLE staff_trail DISABLE TRIGGER USER"))
        for statement in statements:
            await connection.execute(text(statement))
        await connection.execute(text("ALTER TABLE staff_trail ENABLE TRIGGER USER"))


@pytest.fixture
async def entries(database: AsyncEngine) -> list[int]:
    """Five entries, among them one with texts in which a separator could hide."""
    written = Trail(database)
    payment = uuid4()
    made = [await written.note(ANN, Kind.VIEW, "payment", payment) for _ in range(3)]
    made.append(await written.note(ANN, Kind.REVEAL, "customer", 'c"1\n', reason="asked, 'twice'", fields=["email"]))
    made.append(await written.note(ANN, Kind.COMMAND, "payment", payment, reason="пожар", amount=29_900))
    return made


async def test_entries_are_numbered_without_gaps_and_the_chain_holds(database: AsyncEngine, entries: list[int]) -> None:
    assert entries == [1, 2, 3, 4, 5]
    assert await broken(database) == []
    async with database.connect() as connection:
        (latest, *_) = await trail.latest(connection, 10)
    assert (latest.who, latest.role, latest.session, latest.reason) == (ANN.email, "finance", ANN.session, "пожар")
    assert latest.detail == {"amount": 29_900}


@pytest.mark.parametrize(
    "statement", ["UPDATE staff_trail SET who = 'bob'", "DELETE FROM staff_trail", "TRUNCATE staff_trail"]
)
async def test_an_entry_is_never_changed(database: AsyncEngine, entries: list[int], statement: str) -> None:
    with pytest.raises(DBAPIError, match="the trail is never changed"):
        async with database.begin() as connection:
            await connection.execute(text(statement))


@pytest.mark.parametrize(
    "change",
    [
        "who = 'bob@cinema.example'", "reason = 'another'", "detail = '{}'", "at = at + interval '1 microsecond'",
        "staff_id = gen_random_uuid()", "role = 'viewer'", "session = NULL", "address = NULL", "kind = 'view'",
        "subject_kind = 'order'", "subject_id = '1'", "prev_hash = NULL", "hash = sha256('')",
    ],
)  # fmt: skip
async def test_verify_finds_an_entry_that_was_changed(database: AsyncEngine, entries: list[int], change: str) -> None:
    await forged(database, f"UPDATE staff_trail SET {change} WHERE id = 4")
    assert "4" in [id for id, _ in await broken(database)]


async def test_verify_finds_an_entry_that_was_taken_out_or_put_between(
    database: AsyncEngine, entries: list[int]
) -> None:
    await forged(database, "DELETE FROM staff_trail WHERE id = 3")
    assert [id for id, _ in await broken(database)] == ["4"]
    await forged(database, "DELETE FROM staff_trail WHERE id < 3")
    assert [id for id, _ in await broken(database)] == ["4"]


async def test_verify_finds_that_the_end_was_taken_away(database: AsyncEngine) -> None:
    hours = Hours(datetime.now(UTC))
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with serving(hours, postgres_url=url) as world:
        await at_work(world, hours, Role.FINANCE)
    assert await broken(database) == []
    await forged(database, "DELETE FROM staff_trail WHERE kind = 'credential'")
    assert [detail for _, detail in await broken(database)] == ["the session has no entry"]
    await forged(database, "DELETE FROM staff_trail")
    details = {detail for _, detail in await broken(database)}
    assert details == {
        "the session has no entry",
        "operator root changed an account (add_staff), and there is no entry",
    }


async def test_an_entry_takes_its_place_when_it_is_committed(database: AsyncEngine) -> None:
    """Entries of transactions at the same time wait for each other."""
    written = Trail(database)
    await asyncio.gather(*(written.note(ANN, Kind.VIEW, "payment", number) for number in range(8)))
    assert await broken(database) == []


async def test_an_entry_of_a_transaction_that_fails_is_not_there(database: AsyncEngine, entries: list[int]) -> None:
    async with database.connect() as connection:
        await trail.record(connection, Entry(at=NOW, who="ann", kind=Kind.VIEW, subject_kind="payment", subject_id="1"))
        await connection.rollback()
    assert await Trail(database).note(ANN, Kind.VIEW, "payment", 1) == 6
    assert await broken(database) == []


async def test_what_cannot_be_recorded_is_refused_with_503(database: AsyncEngine) -> None:
    async with database.begin() as connection:
        await connection.execute(text("DROP TABLE staff_trail"))
    with pytest.raises(ProblemError) as refused:
        await Trail(database).note(ANN, Kind.REVEAL, "customer", "c-1")
    assert refused.value.problem.status == 503


@pytest.fixture
async def world(database: AsyncEngine) -> AsyncIterator[tuple[World, Hours]]:
    hours = Hours(datetime.now(UTC))
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with serving(hours, postgres_url=url) as made:
        made.headers = {}
        yield made, hours


async def test_the_page_shows_the_latest_first_by_person_and_page(
    database: AsyncEngine, world: tuple[World, Hours]
) -> None:
    made, hours = world
    await at_work(made, hours, Role.ADMIN)
    for number in range(60):
        await made.trail.note(ANN, Kind.VIEW, "payment", f"payment-{number}")
    page = await (await made.get("/trail")).text()
    assert "payment-59" in page
    assert "payment-9<" not in page
    assert "Older entries" in page
    older = await (await made.get("/trail?before=13")).text()
    assert "payment-9<" in older
    assert "Older entries" not in older
    assert "payment-59" not in await (await made.get(f"/trail?staff={uuid4()}")).text()
    assert (await made.get("/trail?before=x")).status == 422


async def test_no_get_changes_anything(database: AsyncEngine, world: tuple[World, Hours]) -> None:
    made, hours = world
    ann = await at_work(made, hours, Role.ADMIN)
    paths = ("/", "/me", "/confirm", "/staff", "/trail", "/reports", "/sign-in", ann.link, "/me/sessions/end-others")

    async def state() -> dict[str, str]:
        async with database.connect() as connection:
            names = await connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
            return {
                name: (
                    await connection.execute(
                        text(f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} t")
                    )
                ).scalar_one()
                for name in names.scalars().all()
            }

    before = await state()
    for path in paths:
        await made.get(path)
    assert await state() == before
