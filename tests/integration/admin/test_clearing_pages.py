"""Clearing's pages: the calendar, a day, the queue, and decisions on a discrepancy."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.clearing.pages.queue import SHOWN
from admin.formatting import money
from admin.trail.trail import Trail
from billing.access.roles import Role
from billing.clearing.discrepancies import Kind
from storage.staff.trail import Kind as Entry
from tests.support.clearing import DAY
from tests.support.clearing_panel import ClearingPanel
from tests.support.factories import PROVIDER
from tests.support.ledger import books_begin
from tests.unit.admin.conftest import serving

DAY_PATH = f"/clearing/{PROVIDER}/{DAY}"


@pytest.fixture
async def panel(database: AsyncEngine, stack: dict[str, Any]) -> AsyncIterator[ClearingPanel]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with serving(postgres_url=url, kafka_url=stack["urls"]["kafka"]) as world:
        panel = ClearingPanel(world, database)
        world.accounts.person = panel.person
        world.headers = {}
        panel.become("anna")
        yield panel


def main(html: str) -> str:
    """The page's text, without the navigation."""
    return " ".join(re.sub(r"<[^>]+>", " ", html.partition("<main")[2]).split())


async def test_before_a_day_is_cleared_the_pages_say_what_will_come(panel: ClearingPanel) -> None:
    assert "No day has been cleared yet" in await panel.get("/clearing")
    assert "Statements and books agree" in await panel.get("/discrepancies")
    assert "The day has no run" in await panel.get(DAY_PATH)


async def test_the_calendar_says_how_each_day_stands(panel: ClearingPanel) -> None:
    await books_begin(panel.stream.engine, DAY - timedelta(days=1))
    for day in (DAY - timedelta(days=3), DAY - timedelta(days=1)):
        await panel.ran(day)
    await panel.a_cleared_day()
    page = await panel.get(f"/clearing?until={DAY}")
    shown = re.findall(rf'class="state (\w+)" href="/clearing/{PROVIDER}/([\d-]+)"[^>]*>([^<]+)</a>', page)
    assert shown == [
        ("bad", str(DAY), "disagrees"),
        ("good", str(DAY - timedelta(days=1)), "agrees"),
        ("warn", str(DAY - timedelta(days=2)), "not cleared"),
        ("plain", str(DAY - timedelta(days=3)), "closed"),
    ]
    assert "2 open, 1 late" in page


async def test_the_calendar_has_five_weeks_and_leads_to_earlier_ones(panel: ClearingPanel) -> None:
    await panel.ran(DAY - timedelta(days=50))
    page = await panel.get(f"/clearing?until={DAY}")
    assert page.count(f'href="/clearing/{PROVIDER}/') == 35
    (earlier,) = re.findall(r'href="(/clearing\?until=[\d-]+)">Earlier days', page)
    assert earlier == f"/clearing?until={DAY - timedelta(days=35)}"
    last = await panel.get(earlier)
    assert last.count(f'href="/clearing/{PROVIDER}/') == 16, "up to the first day that was cleared"
    assert "Earlier days" not in last


async def test_a_day_shows_its_run_discrepancies_and_tie_out(panel: ClearingPanel) -> None:
    await books_begin(panel.stream.engine, DAY - timedelta(days=1))
    payment, id = await panel.a_cleared_day()
    shown = main(await panel.get(DAY_PATH))
    assert "disagrees 2 open, 1 late" in shown
    assert "Our movements 3 Lines of the statement 3" in shown
    ours, theirs = money(payment.captured, "RUB"), money(payment.captured - 10_050, "RUB")
    assert f"Amount differs {ours} RUB {theirs} RUB open" in shown
    page = await panel.get(DAY_PATH)
    assert f'href="/discrepancies/{id}"' in page
    assert f"/discrepancies?provider={PROVIDER}&amp;date={DAY}&amp;kind=amount_differs&amp;state=OPEN" in page
    assert re.search(r"Unexplained RUB .* 0\.00", shown.partition("Tie-out")[2])


async def test_the_report_of_a_day_opens_for_people_and_is_on_the_trail(panel: ClearingPanel) -> None:
    await panel.a_cleared_day()
    for form, begins in (("html", b"<!doctype html>"), ("csv", b"\xef\xbb\xbf")):
        response = await panel.world.get(f"{DAY_PATH}/report.{form}")
        body = await response.read()
        assert (response.status, body[: len(begins)].lower()) == (200, begins)
        assert b"amount differs" in body
    exported = [entry for entry in panel.world.trail.entries if entry.kind is Entry.EXPORT]
    assert [entry.subject_id for entry in exported] == [f"{PROVIDER}/{DAY}"] * 2


@pytest.mark.parametrize("path", ["/clearing/nobody/2026-11-20", f"/clearing/{PROVIDER}/soon", f"/discrepancies/{UUID(int=1)}", "/discrepancies/17", f"/clearing/nobody/{DAY}/report.csv"])  # fmt: skip
async def test_what_is_not_there_is_not_found(panel: ClearingPanel, path: str) -> None:
    response = await panel.world.get(path)
    assert response.status == 404
    assert "text/html" in response.headers["Content-Type"]


async def test_the_queue_shows_both_sides_who_acts_and_by_when(panel: ClearingPanel) -> None:
    _payment, id = await panel.a_cleared_day()
    page = await panel.get("/discrepancies")
    rows = re.findall(r'<tr role="row">(?:(?!</tr>).)*/discrepancies/(?:(?!</tr>).)*</tr>', page, re.DOTALL)
    assert len(rows) == 3
    assert "Unknown payment" in rows[0], "due within an hour"
    assert "somebody of finance: claim it" in rows[0]
    assert "42.42" in rows[0]
    assert str(id) in rows[1]
    assert "the payment: asked on" in rows[1]
    assert "a later statement is awaited" in rows[2]


async def test_the_queue_is_filtered_and_read_page_by_page(panel: ClearingPanel) -> None:
    urgent = await panel.found(SHOWN + 3)
    (other,) = await panel.found(kind=Kind.UNCLASSIFIED_LINE)
    page, seen = await panel.get("/discrepancies?kind=unknown_payment&state="), []
    while True:
        seen += [UUID(id) for id in re.findall(r'href="/discrepancies/([0-9a-f-]{36})"', page)]
        following = re.findall(r'href="([^"]+)">Next page', page)
        if not following:
            break
        assert "kind=unknown_payment" in following[0], "the filters stay"
        page = await panel.get(following[0].replace("&amp;", "&"))
    assert seen == urgent
    for query in ("kind=unclassified_line", f"kind=unclassified_line&provider={PROVIDER}&date={DAY}&state=PERSON"):
        assert re.findall(r'href="/discrepancies/([0-9a-f-]{36})"', await panel.get(f"/discrepancies?{query}")) == [
            str(other)
        ]
    assert "Nothing has all of these" in await panel.get("/discrepancies?provider=stripe")


@pytest.mark.parametrize("query", ["kind=odd", "state=open", "cursor=abc", "colour=red", "date=soon"])
async def test_a_filter_that_cannot_be_is_named(panel: ClearingPanel, query: str) -> None:
    response = await panel.world.get(f"/discrepancies?{query}")
    assert response.status == 422
    assert f"This cannot be a filter: {query.partition('=')[0]}." in await response.text()


async def test_a_discrepancy_shows_both_sides_lines_history_and_payment(panel: ClearingPanel) -> None:
    payment, id = await panel.a_cleared_day()
    page = await panel.get(f"/discrepancies/{id}")
    assert f'href="/payments/{payment.id}"' in page
    assert f"<code>charge-{payment.id}</code>" in page
    shown = main(page)
    assert "Both sides have the same amount." in shown
    assert "\u2212100.50 RUB, the provider owes us less" in shown
    assert "system:clearing" in shown
    looked = panel.world.trail.entries[-1]
    assert (looked.kind, looked.subject_id) == (Entry.VIEW, str(id))
    stranger = await panel.get(f"/discrepancies/{await panel.id_of('unknown_payment')}")
    assert "<code>stranger-1</code>" in stranger
    assert "order nobody&#39;s" in stranger


async def test_a_line_that_left_the_statement_is_still_shown(panel: ClearingPanel) -> None:
    await panel.a_cleared_day()
    panel.books.has()
    await panel.books.run()
    page = await panel.get(f"/discrepancies/{await panel.id_of('unknown_payment')}")
    assert "withdrawn" in page
    assert "It closed" in page


async def test_a_discrepancy_is_claimed_decided_and_opened_again_under_a_name(panel: ClearingPanel) -> None:
    (id,) = await panel.found()
    assert (await panel.decide(id, "claim"))[0] == 303
    assert "anna@cinema.example" in main(await panel.get("/discrepancies?owner=anna@cinema.example"))
    panel.become("boris")
    assert (await panel.decide(id, "resolve", resolution="not_ours"))[0] == 303
    assert await panel.state(id) == ("RESOLVED", 3)
    assert "It closes when the line is gone" in await panel.get(f"/discrepancies/{id}")
    assert (await panel.decide(id, "reopen", reason="they say no"))[0] == 303
    assert await panel.state(id) == ("PERSON", 4)
    assert await panel.rows("SELECT actor, event, reason FROM discrepancy_events ORDER BY version OFFSET 1") == [
        ("operator:anna@cinema.example", "claimed", "the provider's letter"),
        ("operator:boris@cinema.example", "resolved", "the provider's letter"),
        ("operator:boris@cinema.example", "reopened", "they say no"),
    ]
    commands = [entry for entry in panel.world.trail.entries if entry.kind is Entry.COMMAND]
    assert [(entry.who, entry.reason, dict(entry.detail)) for entry in commands] == [
        ("anna@cinema.example", "the provider's letter", {"action": "claim", "version": 1}),
        (
            "boris@cinema.example",
            "the provider's letter",
            {"action": "resolve", "version": 2, "resolution": "not_ours"},
        ),
        ("boris@cinema.example", "they say no", {"action": "reopen", "version": 3}),
    ]
    assert {entry.subject_id for entry in commands} == {str(id)}


async def test_a_double_click_decides_once(panel: ClearingPanel) -> None:
    (id,) = await panel.found()
    hidden = await panel.hidden(id)
    answers = await asyncio.gather(*(panel.decide(id, "claim", **hidden) for _ in range(4)))
    assert {status for status, _ in answers} == {303}
    assert await panel.state(id) == ("PERSON", 2)


async def test_what_has_changed_since_it_was_seen_is_not_decided(panel: ClearingPanel) -> None:
    (id,) = await panel.found()
    seen = await panel.hidden(id)
    await panel.decide(id, "claim")
    before = len(panel.world.trail.entries)
    status, page = await panel.decide(id, "resolve", **{**seen, "key": str(uuid4())}, resolution="not_ours")
    assert status == 409
    assert "has changed since you looked at it" in page
    assert 'name="version" value="2"' in page, "the form is that of now"
    assert 'value="the provider&#39;s letter"' in page, "what was typed is kept"
    assert await panel.state(id) == ("PERSON", 2)
    assert [e.kind for e in panel.world.trail.entries[before:]] == [Entry.VIEW], "nothing was done"


@pytest.mark.parametrize(
    ("what", "fields", "said"),
    [
        ("claim", {"reason": ""}, "Fill in the reason."),
        ("resolve", {"reason": " ", "resolution": "not_ours"}, "Fill in the reason."),
        ("resolve", {"reason": "card 4111 1111 1111 1111", "resolution": "not_ours"}, "card number"),
        ("resolve", {}, "Choose what you found."),
        ("resolve", {"resolution": "odd"}, "Choose what you found."),
        ("claim", {"version": ""}, "The form is not whole."),
        ("claim", {"key": "x"}, "The form is not whole."),
    ],
)
async def test_a_form_that_cannot_be_used_is_shown_again(
    panel: ClearingPanel, what: str, fields: dict[str, str], said: str
) -> None:
    (id,) = await panel.found()
    status, page = await panel.decide(id, what, **fields)
    assert status == 422
    assert said in page
    assert 'role="alert"' in page
    assert await panel.state(id) == ("PERSON", 1)


async def test_a_name_that_is_typed_approves_nothing(panel: ClearingPanel) -> None:
    (id,) = await panel.found(theirs=100_001)
    assert 'name="second"' not in await panel.get(f"/discrepancies/{id}")
    status, page = await panel.decide(id, "resolve", resolution="written_off", second="kim@cinema.example")
    assert (status, "Waits for a second person" in page) == (200, True)
    assert await panel.state(id) == ("PERSON", 1)
    assert await panel.rows("SELECT requested_by, decision FROM approvals") == [("anna@cinema.example", None)]


async def test_what_is_closed_cannot_be_asked_for(panel: ClearingPanel) -> None:
    (id,) = await panel.found(theirs=100_001)
    await panel.decide(id, "resolve", resolution="not_ours")
    status, page = await panel.decide(id, "resolve", resolution="written_off", version="2")
    assert (status, "cannot be settled" in page) == (409, True)
    assert await panel.rows("SELECT id FROM approvals") == []


async def test_below_the_limit_one_person_writes_off(panel: ClearingPanel) -> None:
    (id,) = await panel.found(theirs=100_000)
    assert "a second person has to approve" not in await panel.get(f"/discrepancies/{id}")
    assert (await panel.decide(id, "resolve", resolution="written_off"))[0] == 303
    assert await panel.state(id) == ("CLOSED", 2)


async def test_what_the_kind_does_not_allow_is_neither_offered_nor_done(panel: ClearingPanel) -> None:
    await panel.books.understood()
    (id,) = await panel.found()
    assert 'value="accepted"' not in await panel.get(f"/discrepancies/{id}")
    for what, fields, said in (
        ("resolve", {"resolution": "accepted"}, "only written off"),
        ("resolve", {"resolution": "recorded"}, "can be recorded"),
        ("reopen", {}, "cannot be reopened"),
    ):
        status, page = await panel.decide(id, what, **fields)
        assert (status, said in page) == (409, True), what
        assert [entry.kind for entry in panel.world.trail.entries[-2:]] == [Entry.COMMAND, Entry.REFUSED]
    assert await panel.state(id) == ("PERSON", 1)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SUPPORT])
async def test_who_only_reads_sees_no_form_and_a_crafted_one_does_nothing(panel: ClearingPanel, role: Role) -> None:
    (id,) = await panel.found()
    hidden = await panel.hidden(id)
    panel.become("victor", role)
    assert "/claim" not in await panel.get(f"/discrepancies/{id}")
    for what in ("claim", "resolve", "reopen"):
        fields = hidden | {"reason": "mine", "resolution": "not_ours"}
        response = await panel.world.post(f"/discrepancies/{id}/{what}", fields)
        assert response.status == 403
        refused = panel.world.trail.entries[-1]
        assert (refused.kind, refused.subject_id) == (Entry.REFUSED, f"POST /discrepancies/{{id}}/{what}")
    assert await panel.state(id) == ("PERSON", 1)


async def test_support_is_led_to_no_page_that_it_may_not_see(panel: ClearingPanel) -> None:
    (id,) = await panel.found()
    for role, is_led in ((Role.SUPPORT, False), (Role.VIEWER, True)):
        panel.become("sam", role)
        for path in ("/discrepancies", f"/discrepancies/{id}"):
            assert (f'href="{DAY_PATH}"' in await panel.get(path)) == is_led, (role, path)
            assert ('href="/clearing"' in await panel.get(path)) == is_led, (role, path)


async def test_a_form_without_the_token_does_nothing(panel: ClearingPanel) -> None:
    (id,) = await panel.found()
    hidden = await panel.hidden(id)
    other = await panel.world.token_of(f"/discrepancies/{id}/resolve")
    for token in ("", "guessed", other):
        response = await panel.world.http.post(
            f"{panel.world.url}/discrepancies/{id}/claim", data={**hidden, "reason": "mine", "form_token": token}
        )
        assert response.status == 403
    assert await panel.state(id) == ("PERSON", 1)


async def test_what_cannot_be_put_on_the_trail_is_neither_shown_nor_done(panel: ClearingPanel) -> None:
    (id,) = await panel.found()
    hidden = await panel.hidden(id)
    panel.world.trail.unavailable = True
    assert (await panel.world.get(f"/discrepancies/{id}")).status == 503
    response = await panel.world.post(f"/discrepancies/{id}/claim", {**hidden, "reason": "mine"})
    assert response.status == 503
    assert (await panel.world.get(f"{DAY_PATH}/report.csv")).status == 503
    assert await panel.state(id) == ("PERSON", 1)


async def test_the_trail_in_postgres_takes_what_the_pages_record(panel: ClearingPanel) -> None:
    panel.world.app.state.trail = Trail(panel.stream.engine)
    (id,) = await panel.found()
    assert (await panel.decide(id, "resolve", resolution="not_ours"))[0] == 303
    assert await panel.rows("SELECT who, kind, subject_id, reason, detail FROM staff_trail ORDER BY id") == [
        ("anna@cinema.example", "view", str(id), None, {}),
        (
            "anna@cinema.example",
            "command",
            str(id),
            "the provider's letter",
            {"action": "resolve", "version": 1, "resolution": "not_ours"},
        ),
    ]
