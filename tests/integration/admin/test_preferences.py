"""The language and the time zone that a person has chosen, kept with the account."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.access.roles import Role
from tests.integration.admin.people import Hours, hired
from tests.unit.admin.conftest import World, serving


@pytest.fixture
def hours() -> Hours:
    return Hours(datetime.now(UTC))


@pytest.fixture
async def world(database: AsyncEngine, hours: Hours) -> AsyncIterator[World]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with serving(hours, postgres_url=url) as made:
        made.headers = {}
        yield made


async def test_what_a_person_has_chosen_is_kept_and_used_in_every_session(
    world: World, hours: Hours, database: AsyncEngine
) -> None:
    ann = await hired(world, hours, Role.FINANCE)
    await ann.accept()
    saved = await world.post("/me/preferences", {"language": "ru", "zone": "Asia/Kathmandu"})
    assert saved.status == 303
    ann.leave()
    hours.pass_(minutes=1)
    await ann.sign_in()
    page = await (await world.get("/me")).text()
    assert '<html lang="ru">' in page
    assert "UTC+05:45" in page
    async with database.connect() as connection:
        entry = (await connection.execute(text("SELECT kind, who, detail FROM staff_trail ORDER BY id"))).all()[2]
    assert (entry.kind, entry.who, entry.detail) == ("staff", ann.email, {"changed": ["language", "zone"]})


async def test_what_there_is_not_is_refused_and_nothing_is_changed(world: World, hours: Hours) -> None:
    ann = await hired(world, hours, Role.VIEWER)
    await ann.accept()
    await world.post("/me/preferences", {"language": "ru", "zone": "Europe/Riga"})
    refused = await world.post("/me/preferences", {"language": "en", "zone": "Europe/Atlantis"})
    assert refused.status == 422
    page = await (await world.get("/me")).text()
    assert '<html lang="ru">' in page
    assert "<option selected>Europe/Riga</option>" in page


async def test_no_other_site_chooses_for_a_person(world: World, hours: Hours) -> None:
    ann = await hired(world, hours, Role.VIEWER)
    await ann.accept()
    form = {"language": "ru", "zone": ""}
    refused = await world.http.post(f"{world.url}/me/preferences", data=form, allow_redirects=False)
    assert refused.status == 403
    assert '<html lang="en">' in await (await world.get("/me")).text()
