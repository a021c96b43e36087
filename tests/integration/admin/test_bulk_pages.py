"""The pages of bulk refunds: what a file would do, who may let it, and what a form that is old or forged does."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.bulk.file import ROWS_MAX
from admin.trail.trail import Trail
from billing.access.roles import Role
from tests.support.bulk import Bulk, lines
from tests.support.panel import Panel
from tests.unit.admin.conftest import serving


@pytest.fixture
async def bulk(database: AsyncEngine, stack: dict[str, Any]) -> AsyncIterator[Bulk]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with serving(postgres_url=url, kafka_url=stack["urls"]["kafka"]) as world:
        panel = Panel(world, database)
        world.accounts.person = panel.person
        world.app.state.trail = Trail(database)
        panel.become("anna")
        bulk = Bulk(panel)
        await bulk.start()
        yield bulk


async def trail(bulk: Bulk) -> list[tuple[str, str]]:
    """Who did what, by the trail."""
    found = await bulk.panel.rows("SELECT who, detail ->> 'action' FROM staff_trail WHERE kind = 'bulk' ORDER BY id")
    return [(who.partition("@")[0], action) for who, action in found]


async def test_a_file_is_judged_before_anything_is_sent(bulk: Bulk) -> None:
    whole, part, much = await bulk.paid(3)
    (yen,) = await bulk.paid(1, price=500, currency="JPY")
    url = await bulk.job(
        lines(
            f"{whole.id},,",
            f"{part.id},25.5,the picture froze",
            f"{much.id},100.01,",
            f"{yen.id},10.50,",
            f"{uuid4()},1,",
            f"{part.id},1,",
            "x,1,",
        )
    )
    assert "7</strong>" not in await bulk.panel.get(url)
    await bulk.checked()
    assert await bulk.states(url) == {
        2: "waiting",
        3: "waiting",
        4: "refused amount_exceeds_refundable",
        5: "refused invalid_amount",
        6: "refused payment_not_found",
        7: "refused named_twice",
        8: "refused invalid_payment_id",
    }
    page = await bulk.panel.get(url)
    assert "125.50" in page, "the sum of what would be refunded"
    assert "100.01 RUB cannot be refunded: 100.00 RUB is left." in page
    assert "has more decimals than JPY allows" in page
    assert "Line 3 names the same payment" in page
    assert "the picture froze" in page
    assert bulk.kafka.sent == []


async def test_two_people_and_every_step_is_on_the_trail(bulk: Bulk) -> None:
    payments = await bulk.paid(2)
    url = await bulk.job(lines(*(f"{payment.id},1," for payment in payments)))
    await bulk.checked()
    await bulk.steps(url, "ask")
    assert (await bulk.step(url, "start"))[0] == 409, "nobody has approved it"
    status, page = await bulk.step(url, "approve")
    assert status == 409
    assert "Nobody approves their own request" in page
    assert "your own request" in await bulk.panel.get(url)

    bulk.panel.become("boris")
    assert f'href="{url}"' in await bulk.panel.get("/approvals")
    await bulk.steps(url, "approve")
    assert f'href="{url}"' not in await bulk.panel.get("/approvals"), "it waits for nobody"
    assert (await bulk.step(url, "approve"))[0] == 409
    bulk.panel.become("anna")
    await bulk.steps(url, "start", "pause", "resume")
    await bulk.carried_out(2)
    assert [await bulk.panel.payment(payment.id) for payment in payments] != payments
    commands = await bulk.panel.rows(
        "SELECT message #>> '{data,operator}', message #>> '{data,approval,approved_by}', message #>> '{data,approval,id}',"
        " actor FROM journal WHERE type = 'billing.payment.refund.v1'"
    )
    ((approval,),) = await bulk.panel.rows("SELECT id::text FROM approvals")
    row = ("anna@cinema.example", "boris@cinema.example", approval, "operator:anna@cinema.example")
    assert [tuple(one) for one in commands] == [row] * 2
    assert await trail(bulk) == [
        ("anna", "upload"),
        ("anna", "ask"),
        ("boris", "approve"),
        ("anna", "start"),
        ("anna", "pause"),
        ("anna", "resume"),
    ]
    refused = await bulk.panel.rows("SELECT who FROM staff_trail WHERE kind = 'refused'")
    assert [who for (who,) in refused] == ["anna@cinema.example"]


async def test_an_approval_is_refused_with_a_reason_and_asked_for_again(bulk: Bulk) -> None:
    (payment,) = await bulk.paid(1)
    url = await bulk.job(lines(f"{payment.id},1,"))
    await bulk.checked()
    await bulk.steps(url, "ask")
    assert (await bulk.step(url, "ask"))[0] == 409, "it waits already"
    bulk.panel.become("boris")
    assert (await bulk.step(url, "refuse"))[0] == 422, "without a reason"
    assert (await bulk.step(url, "refuse", reason="not this month"))[0] == 303
    assert "not this month" in await bulk.panel.get(url)
    assert (await bulk.step(url, "start"))[0] == 409
    assert (await bulk.step(url, "ask"))[0] == 409, "who uploaded it asks"
    bulk.panel.become("anna")
    await bulk.steps(url, "ask")
    assert "waits for approval" in await bulk.panel.get(url)


async def test_another_dry_run_needs_another_approval(bulk: Bulk) -> None:
    (payment,) = await bulk.paid(1)
    url = await bulk.approved(lines(f"{payment.id},1,"))
    await bulk.steps(url, "check")
    await bulk.checked()
    assert (await bulk.step(url, "start"))[0] == 409
    await bulk.steps(url, "ask")
    bulk.panel.become("boris")
    await bulk.steps(url, "approve", "start")


async def test_a_form_of_an_older_page_does_nothing(bulk: Bulk) -> None:
    (payment,) = await bulk.paid(1)
    url = await bulk.approved(lines(f"{payment.id},1,"))
    for name in ("start", "stop", "check"):
        status, page = await bulk.step(url, name, version="1")
        assert status == 409
        assert "has changed since you looked" in page
    await bulk.steps(url, "start")
    assert (await bulk.step(url, "start"))[0] == 409
    assert (await bulk.step(url, "resume"))[0] == 409
    assert (await bulk.step(url, "check"))[0] == 409, "rows may be on their way"
    await bulk.steps(url, "pause")
    assert (await bulk.step(url, "pause"))[0] == 409


async def test_a_stopped_job_sends_nothing_more(bulk: Bulk) -> None:
    payments = await bulk.paid(3)
    content = lines(*(f"{payment.id},1," for payment in payments))
    url = await bulk.approved(content)
    await bulk.steps(url, "start")
    await bulk.look(per_s=1)
    await bulk.steps(url, "stop")
    await bulk.carried_out(3)
    assert sorted((await bulk.states(url)).values()) == ["done", "waiting", "waiting"]
    assert "given up" in await bulk.panel.get(url)
    assert (await bulk.step(url, "resume", version="99"))[0] == 409


async def test_a_file_is_taken_once_unless_its_job_is_stopped_before_it_begins(bulk: Bulk) -> None:
    (payment,) = await bulk.paid(1)
    content = lines(f"{payment.id},1,")
    first = await bulk.job(content)
    status, page = await bulk.upload(content, name="again.csv")
    assert status == 409
    assert f'href="{first}"' in page
    assert "this very file was uploaded before" in page
    await bulk.steps(first, "stop")
    assert await bulk.job(content) != first


async def test_a_file_that_was_begun_is_never_taken_again(bulk: Bulk) -> None:
    """What it has refunded in part would be refunded once more."""
    payments = await bulk.paid(2)
    content = lines(*(f"{payment.id},1," for payment in payments))
    url = await bulk.approved(content)
    await bulk.steps(url, "start")
    await bulk.look(per_s=1)
    await bulk.deliver()
    await bulk.steps(url, "stop")
    status, page = await bulk.upload(content)
    assert status == 409
    assert f'href="{url}"' in page


async def test_a_double_click_is_one_job(bulk: Bulk) -> None:
    (payment,) = await bulk.paid(1)
    key = str(uuid4())
    first, again = [await bulk.upload(lines(f"{payment.id},1,"), key=key) for _ in range(2)]
    assert first == again == (303, f"/bulk/{key}")
    assert await trail(bulk) == [("anna", "upload")]


@pytest.mark.parametrize(
    ("content", "reason", "words"),
    [
        ("", "asked", "The file is empty."),
        ("a,b\n1,2\n", "asked", "has to name the columns"),
        (lines(), "asked", "no line of a refund"),
        (lines(f"{UUID(int=1)},1,"), "", "Fill in the reason."),
        (lines(f"{UUID(int=1)},1,"), "card 4111 1111 1111 1111", "card number"),
        (lines(*(f"{UUID(int=n)},1," for n in range(ROWS_MAX + 1))), "asked", "20\u202f000"),
        ("payment_id,amount\n" + "x" * 4 * 1024 * 1024, "asked", "4 MiB"),
        ("x" * 12 * 1024 * 1024, "asked", "4 MiB"),
    ],
)
async def test_what_cannot_be_taken_is_said(bulk: Bulk, content: str, reason: str, words: str) -> None:
    status, page = await bulk.upload(content, reason=reason)
    assert status == 422
    assert words in page
    assert await bulk.panel.rows("SELECT 1 FROM bulk_jobs") == []


async def test_a_form_without_a_file_or_of_another_site_does_nothing(bulk: Bulk) -> None:
    url = f"{bulk.panel.world.url}/bulk"
    assert (await bulk.panel.world.post("/bulk", {"reason": "asked", "key": str(uuid4())})).status == 422
    form = aiohttp.FormData({"form_token": "guessed", "key": str(uuid4()), "reason": "asked"})
    form.add_field("file", lines(f"{uuid4()},1,"), filename="a.csv")
    assert (await bulk.panel.world.http.post(url, data=form, allow_redirects=False)).status == 403
    assert await bulk.panel.rows("SELECT 1 FROM bulk_jobs") == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SUPPORT])
async def test_others_neither_see_nor_send_files(bulk: Bulk, role: Role) -> None:
    (payment,) = await bulk.paid(1)
    url = await bulk.approved(lines(f"{payment.id},1,"))
    bulk.panel.become("mallory", role)
    assert (await bulk.panel.world.get(url)).status == 403
    assert (await bulk.upload(lines(f"{uuid4()},1,"), key=str(uuid4())))[0] == 403
    for name in ("start", "approve", "stop"):
        assert (await bulk.step(url, name, version="4"))[0] == 403
    assert [state for (state,) in await bulk.panel.rows("SELECT state FROM bulk_jobs")] == ["ready"]


async def test_the_result_is_a_file_and_taking_it_is_on_the_trail(bulk: Bulk) -> None:
    (payment,) = await bulk.paid(1)
    url = await bulk.approved(lines(f"{payment.id},1,=HYPERLINK(1)", "+bad,1,"))
    await bulk.steps(url, "start")
    await bulk.carried_out(2)
    answer = await bulk.panel.world.get(f"{url}/result.csv")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert "attachment" in answer.headers["Content-Disposition"]
    header, done, bad = csv.reader(io.StringIO((await answer.read()).decode("utf-8-sig")))
    assert header[:6] == ["line", "payment_id", "amount", "currency", "reason", "state"]
    assert done[:6] == ["2", str(payment.id), "1.00", "RUB", "'=HYPERLINK(1)", "refunded"]
    assert bad[5:7] == ["refused", "invalid_payment_id"]
    found = await bulk.panel.rows("SELECT subject_id FROM staff_trail WHERE kind = 'export'")
    assert [(id,) for (id,) in found] == [(url.rsplit("/", 1)[1],)]


async def test_rows_have_pages_by_state(bulk: Bulk) -> None:
    payments = await bulk.paid(51)
    url = await bulk.job(lines(*(f"{payment.id},1," for payment in payments), "bad,1,"))
    await bulk.checked()
    page = await bulk.panel.get(f"{url}?state=waiting")
    assert page.count("/payments/") == 50
    assert f"{url}?state=waiting&amp;after=51" in page
    page = await bulk.panel.get(f"{url}?state=waiting&after=51")
    assert page.count("/payments/") == 1
    assert (await bulk.panel.world.get(f"{url}?state=nonsense")).status == 422
    assert (await bulk.panel.world.get(f"/bulk/{uuid4()}")).status == 404


async def test_jobs_have_pages(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("admin.bulk.pages.JOBS", 2)
    for number in range(3):
        await bulk.job(lines(f"{UUID(int=number)},1,"), name=f"file-{number}.csv")
    page = await bulk.panel.get("/bulk")
    assert "file-2.csv" in page
    assert "file-0.csv" not in page
    (older,) = [part.partition('"')[0] for part in page.split('href="/bulk?after=')[1:]]
    page = await bulk.panel.get(f"/bulk?after={older}")
    assert "file-0.csv" in page
    assert "file-1.csv" not in page


async def test_a_request_of_a_bulk_job_is_decided_on_its_own_page(bulk: Bulk) -> None:
    (payment,) = await bulk.paid(1)
    url = await bulk.job(lines(f"{payment.id},1,"))
    await bulk.checked()
    await bulk.steps(url, "ask")
    ((id,),) = await bulk.panel.rows("SELECT id FROM approvals")
    bulk.panel.become("boris")
    for answer in (
        await bulk.panel.world.get(f"/approvals/{id}"),
        await bulk.panel.world.post(f"/approvals/{id}/approve"),
        await bulk.panel.world.post(f"/approvals/{id}/send"),
    ):
        assert (answer.status, answer.headers["Location"]) == (303, url)
    assert [d for (d,) in await bulk.panel.rows("SELECT decision FROM approvals")] == [None]
