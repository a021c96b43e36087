"""Finance asks for a run of a day, or says that a doubted statement is right: asked for once, on the trail, made by the
scheduler; and what the pages say while nothing runs."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from backoffice.clearing import runs
from backoffice.operators import ActionRefused, Operator
from billing.access.roles import Role
from reconciliation.clearing.job import job_name
from reconciliation.clearing.run import Outcome
from runtime.clock import utc_now
from storage import job_runs
from storage.processes.locks import Lock, writing
from storage.staff.trail import Kind as Entry
from tests.integration.admin.test_clearing_pages import main
from tests.support.clearing import DAY, SETTLEMENT
from tests.support.clearing_panel import ClearingPanel
from tests.support.factories import PROVIDER
from tests.unit.admin.conftest import serving

DAY_PATH = f"/clearing/{PROVIDER}/{DAY}"
RUN, BELIEVE = f"{DAY_PATH}/run", f"{DAY_PATH}/believe"
JOB = job_name(PROVIDER)
DOUBT = "half of the lines are of nobody"


@pytest.fixture
async def panel(database: AsyncEngine, stack: dict[str, Any]) -> AsyncIterator[ClearingPanel]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with serving(postgres_url=url, kafka_url=stack["urls"]["kafka"]) as world:
        panel = ClearingPanel(world, database)
        world.accounts.person = panel.person
        world.headers = {}
        panel.become("anna")
        yield panel


async def asked(panel: ClearingPanel, day: date = DAY) -> tuple[bool, str | None]:
    """Whether the day is to be run, and who asked."""
    async with panel.stream.engine.connect() as connection:
        (run,) = await job_runs.of_date(connection, JOB, day)
    return run.finished_at is None and not run.is_braked, None if run.request is None else run.request.by


async def doubted(panel: ClearingPanel, day: date = DAY) -> None:
    async with panel.stream.engine.begin() as connection:
        await job_runs.open_runs(connection, JOB, [day])
        await job_runs.brake(connection, JOB, day, DOUBT)


async def refusals(panel: ClearingPanel) -> list[str]:
    return [str(entry.detail["why"]) for entry in panel.world.trail.entries if entry.kind is Entry.REFUSED]


async def test_a_run_is_shown_before_it_is_asked_for_and_made_by_the_scheduler(panel: ClearingPanel) -> None:
    await panel.a_cleared_day()
    await panel.a_scheduler()
    assert f'href="{RUN}"' in await panel.get(DAY_PATH)
    shown = main(await panel.get(RUN))
    assert "The day was cleared at" in shown
    assert "Where neither the statement nor the books have changed, the run changes nothing." in shown
    panel.books.has()
    read = len(panel.books.statement.pages_read)
    assert await panel.ask(RUN) == (303, "")
    assert await asked(panel) == (True, "anna@cinema.example")
    assert len(panel.books.statement.pages_read) == read, "the panel runs nothing"
    page = main(await panel.get(DAY_PATH))
    assert "anna@cinema.example asked for the run" in page
    assert "The scheduler looks every minute whether it can run." in page
    assert await panel.trail() == [
        ("anna@cinema.example", f"{PROVIDER}/{DAY}", "they have sent it again", "run"),
    ]
    assert [(ran.day, ran.outcome) for ran in await panel.looks()] == [(DAY, Outcome.DONE)]
    assert await asked(panel) == (False, "anna@cinema.example")
    page = main(await panel.get(DAY_PATH))
    assert "asked for the run" not in page
    assert "Lines of the statement 0" in page, "it read the statement of now"


async def test_a_double_click_and_a_form_that_is_sent_again_ask_once(panel: ClearingPanel) -> None:
    await panel.a_cleared_day()
    form = await panel.a_form(RUN)
    answers = await asyncio.gather(*(panel.ask(RUN, form) for _ in range(4)))
    assert {status for status, _ in answers} == {303}
    assert len(await panel.trail()) == 1
    done = await panel.rows("SELECT count(*) FROM operator_actions WHERE details -> 'repeated' IS NULL")
    assert done == [(1,)]
    await panel.looks()
    assert (await panel.ask(RUN, form))[0] == 303
    assert await asked(panel) == (False, "anna@cinema.example"), "the run has ended"
    assert len(await panel.trail()) == 1
    assert (await panel.ask(RUN))[0] == 303
    assert (await asked(panel))[0], "another form is another request"


async def test_a_doubted_statement_is_believed_under_a_name_and_the_day_goes_on(panel: ClearingPanel) -> None:
    await panel.a_cleared_day()
    await doubted(panel)
    page = await panel.get(DAY_PATH)
    assert f'href="{BELIEVE}"' in page
    assert f'href="{RUN}"' not in page
    assert DOUBT in main(await panel.get(BELIEVE))
    assert await panel.looks() == [], "a person has to decide"
    assert (await panel.ask(BELIEVE))[0] == 303
    assert await panel.rows("SELECT released_by, release_reason FROM job_runs") == [
        ("anna@cinema.example", "they have sent it again")
    ]
    assert [entry[3] for entry in await panel.trail()] == ["believe"]
    assert [(ran.day, ran.outcome) for ran in await panel.looks()] == [(DAY, Outcome.DONE)]


async def test_to_believe_a_statement_the_second_factor_is_shown_again(panel: ClearingPanel) -> None:
    await panel.a_cleared_day()
    await doubted(panel)
    form = await panel.a_form(BELIEVE)
    token, person = next(iter(panel.people.items()))
    old = utc_now() - timedelta(hours=1)
    panel.people[token] = replace(person, authenticated_at=old)
    for response in (
        await panel.world.get(BELIEVE),
        await panel.world.post(BELIEVE, form),
    ):
        assert response.status == 303
        assert response.headers["Location"].startswith("/confirm")
    assert await asked(panel) == (False, None)


REFUSED = {
    "not over": "The day is not over at this provider.",
    "no money": "No money has moved at this provider yet.",
    "too early": "The first day that is cleared at this provider is",
    "doubted": "The statement of this day is doubted: look at it.",
    "not doubted": "The statement of this day is not doubted.",
    "under way": "A run of this provider is under way. Ask once it has ended.",
}


@pytest.mark.parametrize("why", REFUSED)
async def test_what_cannot_be_is_said_before_it_is_asked_for_and_refused(panel: ClearingPanel, why: str) -> None:
    path = BELIEVE if why == "not doubted" else RUN
    if why != "no money":
        await panel.a_cleared_day()
    if why == "doubted":
        await doubted(panel)
    if why == "not over":
        path = f"/clearing/{PROVIDER}/{SETTLEMENT.day_of(utc_now())}/run"
    if why == "too early":
        path = f"/clearing/{PROVIDER}/{DAY - timedelta(days=400)}/run"
    before = await panel.rows("SELECT * FROM job_runs")
    async with writing(panel.stream.engine, Lock.CLEARING, PROVIDER if why == "under way" else "another"):
        assert "It would be refused" in (shown := main(await panel.get(path)))
        assert REFUSED[why] in shown
        assert 'name="key"' not in await panel.get(path)
        status, page = await panel.ask(path, {"key": str(uuid4()), "reason": "now"})
    assert (status, REFUSED[why] in main(page)) == (409, True)
    assert await panel.rows("SELECT * FROM job_runs") == before
    assert await panel.trail() == []
    assert len(await refusals(panel)) == 1


async def test_a_run_that_begins_meanwhile_is_not_taken_for_the_one_that_is_asked_for(panel: ClearingPanel) -> None:
    await panel.a_cleared_day()
    noted: list[AsyncConnection] = []

    async def note(connection: AsyncConnection) -> None:
        noted.append(connection)

    async def ask() -> Any:
        return await runs.request(
            panel.world.settings, {PROVIDER: SETTLEMENT}, Operator("anna", "now"), DAY, PROVIDER,
            key=uuid4(), alone=True, note=note,
        )  # fmt: skip

    async with writing(panel.stream.engine, Lock.CLEARING, PROVIDER):
        with pytest.raises(ActionRefused, match="is under way"):
            await ask()
    assert await asked(panel) == (False, None)
    assert noted == []
    await ask()
    assert (await asked(panel), len(noted)) == ((True, "anna"), 1)


async def test_what_cannot_be_put_on_the_trail_is_not_asked_for(panel: ClearingPanel) -> None:
    await panel.a_cleared_day()
    form = await panel.a_form(RUN)
    async with panel.stream.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE staff_trail RENAME TO staff_trail_away"))
    try:
        assert (await panel.ask(RUN, form))[0] == 503
    finally:
        async with panel.stream.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE staff_trail_away RENAME TO staff_trail"))
    assert await asked(panel) == (False, None)
    assert (await panel.ask(RUN, form))[0] == 303, "once it can be, the same form does"


@pytest.mark.parametrize(("reason", "said"), [("", "Fill in the reason."), ("card 4111 1111 1111 1111", "card number")])
async def test_a_reason_that_cannot_be_used_is_asked_for_again(panel: ClearingPanel, reason: str, said: str) -> None:
    await panel.a_cleared_day()
    form = await panel.a_form(RUN, reason=reason)
    status, page = await panel.ask(RUN, form)
    assert (status, said in page, form["key"] in page) == (422, True, True)
    assert await asked(panel) == (False, None)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SUPPORT])
async def test_who_may_not_sees_no_way_there_and_a_crafted_form_does_nothing(panel: ClearingPanel, role: Role) -> None:
    await panel.a_cleared_day()
    form = await panel.a_form(RUN)
    panel.become("victor", role)
    if role is Role.VIEWER:
        assert f'href="{RUN}"' not in await panel.get(DAY_PATH)
    for path in (RUN, BELIEVE):
        assert (await panel.world.get(path)).status == 403
        assert (await panel.world.post(path, form)).status == 403
    assert await asked(panel) == (False, None)


async def test_a_form_without_the_token_does_nothing(panel: ClearingPanel) -> None:
    await panel.a_cleared_day()
    form = await panel.a_form(RUN)
    for token in ("", "guessed", await panel.world.token_of(BELIEVE)):
        response = await panel.world.http.post(panel.world.url + RUN, data={**form, "form_token": token})
        assert response.status == 403
    assert await asked(panel) == (False, None)


async def test_the_day_says_that_no_scheduler_runs_and_that_one_died_midway(panel: ClearingPanel) -> None:
    await panel.a_cleared_day()
    assert "No scheduler is running" in main(await panel.get(RUN)), "also before it is asked for"
    await panel.ask(RUN)
    assert "No scheduler is running" in main(await panel.get(DAY_PATH))
    await panel.a_scheduler()
    assert "No scheduler is running" not in main(await panel.get(DAY_PATH))
    async with writing(panel.stream.engine, Lock.CLEARING, PROVIDER):
        page = await panel.get(DAY_PATH)
        assert "A run of this provider is under way." in main(page)
        (changes,) = [part for part in page.split('"') if "/changes?since=" in part]
        assert (await panel.world.get(changes)).status == 204
    await panel.stream.engine.dispose()
    async with panel.stream.engine.begin() as connection:
        await connection.execute(text("UPDATE process_leases SET until = now()"))
    changed = await panel.world.get(changes)
    assert changed.headers.get("HX-Refresh") == "true", "the page reads itself again"
    page = main(await panel.get(DAY_PATH))
    assert "No scheduler is running: what is asked for waits until one is" in page
    assert "is under way" not in page
    assert [ran.outcome for ran in await panel.looks()] == [Outcome.DONE], "the next one does it"


async def test_the_day_says_what_its_run_waits_for(panel: ClearingPanel) -> None:
    await panel.a_cleared_day()
    await panel.a_scheduler()
    await panel.ask(RUN)
    earlier = DAY - timedelta(days=2)
    async with panel.stream.engine.begin() as connection:
        await job_runs.open_runs(connection, JOB, [earlier])
    page = await panel.get(DAY_PATH)
    assert "Earlier days come first" in page
    assert f'href="/clearing/{PROVIDER}/{earlier}"' in page
    await doubted(panel, earlier)
    assert "Nothing of this provider is cleared until somebody has decided" in main(await panel.get(DAY_PATH))


async def test_a_request_that_a_running_scheduler_does_not_take_up_is_shown_as_late(panel: ClearingPanel) -> None:
    await panel.a_cleared_day()
    await panel.a_scheduler()
    await panel.ask(RUN)
    assert "within five minutes" not in await panel.get(DAY_PATH)
    async with panel.stream.engine.begin() as connection:
        (run,) = await job_runs.of_date(connection, JOB, DAY)
        assert run.request is not None
        old = msgspec.structs.replace(run.request, key="old", at=utc_now() - timedelta(minutes=6))
        assert await job_runs.ask(connection, JOB, DAY, old)
    assert "It was not taken up within five minutes" in await panel.get(DAY_PATH)
