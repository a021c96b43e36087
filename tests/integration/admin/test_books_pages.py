"""Finance closes a day of the books from its page: what it would be closed with, why it cannot be, asked for once, on the
trail, closed by the scheduler under the person's name."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.formatting import day as day_words
from admin.formatting import money
from billing.access.roles import Role
from reconciliation.clearing.closing import JOB
from reconciliation.clearing.job import job_name
from runtime.clock import utc_now
from storage import job_runs
from storage.books import closing
from storage.books.closing import period
from storage.staff.trail import Kind as Entry
from tests.integration.admin.test_clearing_pages import main
from tests.support.clearing import DAY, charge
from tests.support.clearing_panel import KEY, ClearingPanel
from tests.support.factories import PROVIDER
from tests.support.ledger import NOON, books_begin, post
from tests.unit.admin.conftest import serving

BOOKS, CLOSE = "/clearing/books", f"/clearing/books/{DAY}/close"


@pytest.fixture
async def panel(database: AsyncEngine, stack: dict[str, Any]) -> AsyncIterator[ClearingPanel]:
    await books_begin(database, DAY)
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with serving(postgres_url=url, kafka_url=stack["urls"]["kafka"]) as world:
        panel = ClearingPanel(world, database)
        world.accounts.person = panel.person
        world.headers = {}
        panel.become("anna")
        yield panel


async def a_day_that_agrees(panel: ClearingPanel) -> Any:
    (payment,) = await panel.books.paid()
    panel.books.has(charge(payment))
    await panel.books.clear()
    return payment


async def closed(panel: ClearingPanel) -> list[tuple[Any, ...]]:
    return await panel.rows("SELECT accounting_date, content ->> 'closed_by', content ->> 'reason' FROM closed_days")


async def asked(panel: ClearingPanel) -> str | None:
    """Who asked to close the day."""
    async with panel.stream.engine.connect() as connection:
        requests = [run.request for run in await job_runs.of_date(connection, JOB, DAY)]
    return next((one.by for one in requests if one is not None), None)


async def an_entry_that_nobody_can_explain(panel: ClearingPanel) -> None:
    accounts = (f"fees:{PROVIDER}", f"clearing:{PROVIDER}")
    async with panel.stream.engine.begin() as connection:
        await post(connection, 700, posted_at=NOON + (DAY - NOON.date()), accounts=accounts)


@asynccontextmanager
async def without_trail(panel: ClearingPanel) -> AsyncIterator[None]:
    async with panel.stream.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE staff_trail RENAME TO staff_trail_away"))
    try:
        yield
    finally:
        async with panel.stream.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE staff_trail_away RENAME TO staff_trail"))


async def test_a_day_is_shown_asked_for_and_closed_by_the_scheduler_under_the_persons_name(
    panel: ClearingPanel,
) -> None:
    payment = await a_day_that_agrees(panel)
    await panel.a_scheduler()
    shown = main(await panel.get(BOOKS))
    assert "can be closed" in shown
    assert "No discrepancy of the day is open." in shown
    assert money(payment.captured, "RUB") in shown
    assert "It cannot be opened again." in await panel.get(CLOSE)
    assert (await panel.close(DAY))[0] == 303
    assert await closed(panel) == [], "the panel closes nothing"
    page = main(await panel.get(BOOKS))
    assert "is being closed" in page
    assert "anna@cinema.example asked to close the day" in page
    assert "The scheduler closes it within a minute" in page
    assert await panel.trail() == [("anna@cinema.example", str(DAY), "the month ends", "close")]
    assert await panel.closes() == [DAY]
    assert await closed(panel) == [(DAY, "anna@cinema.example", "the month ends")]
    ((outcome, hash),) = await panel.rows("SELECT outcome, details ->> 'hash' FROM operator_actions")
    page = main(await panel.get(BOOKS))
    assert (outcome, hash in page) == ("done", True)
    assert day_words(DAY + timedelta(days=1)) in page, "the next day is the first open one"


async def test_a_double_click_asks_once(panel: ClearingPanel) -> None:
    await a_day_that_agrees(panel)
    form = {"key": KEY.findall(await panel.get(CLOSE))[0], "reason": "the month ends"}
    answers = await asyncio.gather(*(panel.close(DAY, form) for _ in range(4)))
    assert {status for status, _ in answers} == {303}
    assert (len(await panel.trail()), await panel.rows("SELECT count(*) FROM operator_actions")) == (1, [(1,)])
    assert await panel.closes() == [DAY]
    assert (await panel.close(DAY, form))[0] == 303, "sent again, after it was closed"
    assert (len(await panel.trail()), len(await closed(panel))) == (1, 1)


async def test_a_day_that_somebody_has_asked_for_is_refused_to_others(panel: ClearingPanel) -> None:
    await a_day_that_agrees(panel)
    await panel.close(DAY)
    panel.become("boris")
    assert CLOSE not in await panel.get(BOOKS)
    assert CLOSE not in await panel.get(CLOSE), "no form"
    status, page = await panel.close(DAY)
    assert (status, f"somebody has asked to close {DAY} already" in main(page)) == (409, True)
    assert await asked(panel) == "anna@cinema.example"
    assert await panel.rows("SELECT actor FROM operator_actions") == [("anna@cinema.example",)]


async def test_open_discrepancies_are_said_and_do_not_keep_the_day_open(panel: ClearingPanel) -> None:
    await panel.a_cleared_day()
    shown = await panel.get(BOOKS)
    assert "Discrepancies of the day that are open: 2." in main(shown)
    assert f'href="/discrepancies?date={DAY}"' in shown
    await panel.close(DAY)
    assert await panel.closes() == [DAY], "as the scheduler closes it by itself"


WHY = {
    "not cleared": f"{PROVIDER}: the statement of {DAY} is not cleared",
    "asked for again": f"{PROVIDER}: the statement of {DAY} is not cleared",
    "not explained": f"{PROVIDER}: -700 RUB in minor units are not explained",
    "out of order": f"days are closed in order: {DAY} is open",
    "closed": f"is closed already; the first open day is {DAY}",
    "not over": "is not over: it is",
}


@pytest.mark.parametrize("why", WHY)
async def test_a_day_that_cannot_be_closed_says_why_and_a_form_for_it_is_refused(
    panel: ClearingPanel, why: str
) -> None:
    await a_day_that_agrees(panel)
    day = {"out of order": DAY + timedelta(days=1), "closed": DAY - timedelta(days=1)}.get(why, DAY)
    async with panel.stream.engine.begin() as connection:
        if why == "not cleared":
            await connection.execute(text("UPDATE job_runs SET finished_at = NULL"))
    if why == "asked for again":
        await panel.ask(f"/clearing/{PROVIDER}/{DAY}/run")
    if why == "not explained":
        await an_entry_that_nobody_can_explain(panel)
    if why == "not over":
        async with panel.stream.engine.connect() as connection:
            day = (await period(connection)).today
        await books_begin(panel.stream.engine, day)
    if day == DAY or why == "not over":
        shown = await panel.get(BOOKS)
        assert f"/clearing/books/{day}/close" not in shown
        assert ("not over" if why == "not over" else WHY[why]) in main(shown)
    before = len(await panel.trail())
    status, page = await panel.close(day)
    assert (status, WHY[why] in main(page)) == (409, True)
    assert await asked(panel) is None
    assert await closed(panel) == []
    assert len(await panel.trail()) == before
    last = panel.world.trail.entries[-1]
    assert (last.kind, last.subject_id, last.detail["action"]) == (Entry.REFUSED, str(day), "close")


async def test_what_changed_before_the_scheduler_came_is_refused_and_shown_with_the_reason(
    panel: ClearingPanel,
) -> None:
    await a_day_that_agrees(panel)
    await panel.close(DAY)
    await an_entry_that_nobody_can_explain(panel)
    assert await panel.closes() == []
    page = main(await panel.get(BOOKS))
    assert "anna@cinema.example asked to close the day, and the scheduler did not" in page
    assert WHY["not explained"] in page
    assert await panel.rows("SELECT outcome FROM operator_actions") == [("refused",)]
    async with panel.stream.engine.begin() as connection:
        accounts = (f"clearing:{PROVIDER}", f"fees:{PROVIDER}")
        await post(connection, 700, posted_at=NOON + (DAY - NOON.date()), accounts=accounts)
    assert (await panel.close(DAY))[0] == 303
    assert await panel.closes() == [DAY]


async def test_a_ledger_that_is_busy_is_tried_again_and_the_page_says_that_it_is_late(
    panel: ClearingPanel, monkeypatch: Any
) -> None:
    await a_day_that_agrees(panel)
    await panel.a_scheduler()
    await panel.close(DAY)
    monkeypatch.setattr(closing, "LOCK_TIMEOUT", "100ms")
    async with panel.stream.engine.begin() as busy:
        await busy.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": closing.LEDGER_LOCK})
        assert await panel.closes() == []
    assert await asked(panel) == "anna@cinema.example"
    async with panel.stream.engine.begin() as connection:
        (run,) = await job_runs.of_date(connection, JOB, DAY)
        assert run.request is not None
        old = msgspec.structs.replace(run.request, key="old", at=utc_now() - timedelta(minutes=6))
        await job_runs.ask(connection, JOB, DAY, old)
    assert "It was not closed within five minutes" in await panel.get(BOOKS)
    assert await panel.closes() == [DAY]


async def test_the_page_says_that_no_scheduler_runs_and_follows_the_end(panel: ClearingPanel) -> None:
    await a_day_that_agrees(panel)
    await panel.close(DAY)
    page = await panel.get(BOOKS)
    assert "No scheduler is running" in main(page)
    (changes,) = [part for part in page.split('"') if "/changes?since=" in part]
    assert "HX-Refresh" not in (await panel.world.get(changes)).headers
    await panel.closes()
    assert (await panel.world.get(changes)).headers["HX-Refresh"] == "true"


async def test_what_cannot_be_put_on_the_trail_is_not_asked_for(panel: ClearingPanel) -> None:
    await a_day_that_agrees(panel)
    async with without_trail(panel):
        assert (await panel.close(DAY))[0] == 503
    assert await asked(panel) is None
    assert await panel.rows("SELECT count(*) FROM operator_actions") == [(0,)]


async def test_a_reason_is_required_and_the_second_factor_is_shown_again(panel: ClearingPanel) -> None:
    await a_day_that_agrees(panel)
    status, page = await panel.close(DAY, {"key": str(uuid4()), "reason": " "})
    assert (status, "Fill in the reason." in page) == (422, True)
    token, person = next(iter(panel.people.items()))
    panel.people[token] = replace(person, authenticated_at=utc_now() - timedelta(hours=1))
    assert (await panel.world.get(CLOSE)).headers["Location"].startswith("/confirm"), "before the form is filled in"
    response = await panel.world.post(CLOSE, {"key": str(uuid4()), "reason": "now"})
    assert (response.status, response.headers["Location"].startswith("/confirm")) == (303, True)
    assert await asked(panel) is None


async def test_who_only_reads_sees_the_books_and_no_form_and_nobody_posts_without_the_token(
    panel: ClearingPanel,
) -> None:
    await a_day_that_agrees(panel)
    response = await panel.world.http.post(panel.world.url + CLOSE, data={"reason": "now", "form_token": "guessed"})
    assert response.status == 403
    panel.become("victor", Role.VIEWER)
    assert CLOSE not in await panel.get(BOOKS)
    assert (await panel.close(DAY))[0] == 403
    panel.become("sam", Role.SUPPORT)
    assert (await panel.world.get(BOOKS)).status == 403
    assert await asked(panel) is None


async def test_the_statement_that_a_day_lacks_is_linked(panel: ClearingPanel) -> None:
    await a_day_that_agrees(panel)
    async with panel.stream.engine.begin() as connection:
        await connection.execute(text("UPDATE job_runs SET finished_at = NULL"))
        assert await job_runs.of_date(connection, job_name(PROVIDER), DAY)
    assert f'href="/clearing/{PROVIDER}/{DAY}"' in await panel.get(BOOKS)
