"""A file of refunds on its way: nothing is refunded twice or left out, wherever the process dies; people can pause it; and
the audit has nothing to say."""

import asyncio
import csv
import io
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, Literal
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.trail.trail import Trail
from backoffice.audit.audit import check_books
from backoffice.audit.findings import Findings
from billing.errors import InvalidMessage
from billing.messages import AmendPayment, decode_envelope
from billing.vocabulary import Outcome
from reconciliation.bulk import job as bulk_job
from runtime.clock import utc_now
from storage.bulk import rows as bulk_rows
from storage.inspection.books import moment
from storage.processes.locks import Lock, held
from storage.streams.dead_letter_resolutions import Resolution, resolve
from streams.payments.agent import Payments
from tests.integration.backoffice.audit.books import damage
from tests.support.bulk import VERSION, Bulk, lines
from tests.support.panel import Panel
from tests.support.streams import Crash
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


async def violations(database: AsyncEngine) -> set[str]:
    findings = Findings()
    async with moment(database) as connection:
        await check_books(connection, findings)
    return {violation.kind for violation in findings.violations}


async def refunds(database: AsyncEngine) -> dict[str, list[int]]:
    """Payment → the amounts of its refunds."""
    found: dict[str, list[int]] = {}
    async with database.connect() as connection:
        for id, amount in await connection.execute(
            text("SELECT payment_id::text, amount FROM operations WHERE type = 'REFUND' AND status = 'SUCCESS'")
        ):
            found.setdefault(id, []).append(amount)
    return found


async def test_a_job_of_500_rows_with_20_bad_ones_is_interrupted_everywhere_and_refunds_each_payment_once(
    bulk: Bulk, database: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    payments = await bulk.paid(480)
    good = [f"{payment.id},{25 if n % 2 else ''}," for n, payment in enumerate(payments)]
    twice = [f"{payment.id},1," for payment in payments[:5]]
    unknown = [f"{uuid4()},1," for _ in range(5)]
    unread = ["nonsense,1,", f"{uuid4()}", f'{uuid4()},1,"open', ",,x", f"{uuid4()},4111 1111 1111 1111,"]
    much = await bulk.paid(5)
    content = lines(*good[:200], *unknown, *unread, *good[200:], *twice, *(f"{p.id},100.01," for p in much))
    url = await bulk.approved(content)
    assert Counter(row.state for row in await bulk.rows(url)) == {"waiting": 480, "refused": 20}
    assert bulk.kafka.sent == []
    await bulk.steps(url, "start")

    # The process dies in the middle of a page, and between sending it and marking it; a page comes twice.
    await bulk.look(per_s=150)
    bulk.kafka.crash_after = 30
    with pytest.raises(Crash):
        await bulk.look(per_s=100)
    bulk.kafka.crash_after = None
    await bulk.deliver()
    marked = bulk_rows.mark_sent

    async def dies(*_args: Any) -> None:
        raise Crash

    monkeypatch.setattr(bulk_job.rows, "mark_sent", dies)
    with pytest.raises(Crash):
        await bulk.look(per_s=100)
    await bulk.deliver()
    monkeypatch.setattr(bulk_job.rows, "mark_sent", marked)
    sent = {decode_envelope(bytes(message.value)).id for message in bulk.kafka.sent}
    await bulk.steps(url, "pause")
    await bulk.carried_out(2)
    again = {decode_envelope(bytes(message.value)).id for message in bulk.kafka.sent}
    assert again == sent, "no other row is sent while it is paused"
    await bulk.steps(url, "resume")
    await bulk.carried_out()

    expected = {str(payment.id): [2_500 if n % 2 else 10_000] for n, payment in enumerate(payments)}
    assert await refunds(database) == expected
    ids = Counter(decode_envelope(bytes(message.value)).id for message in bulk.kafka.sent)
    assert len(ids) == 480
    assert max(ids.values()) >= 2, "rows were sent again"
    assert Counter(row.state for row in await bulk.rows(url)) == {"done": 480, "refused": 20}
    assert "finished" in await bulk.panel.get(url)
    assert await violations(database) == set()


async def test_a_row_is_sent_though_the_process_died_before_it_was(bulk: Bulk, database: AsyncEngine) -> None:
    payments = await bulk.paid(2)
    url = await bulk.approved(lines(*(f"{payment.id},1," for payment in payments)))
    await bulk.steps(url, "start")
    bulk.kafka.crash_after = 1
    with pytest.raises(Crash):
        await bulk.look()
    bulk.kafka.crash_after = None
    await bulk.carried_out(2)
    assert await bulk.states(url) == {2: "done", 3: "done"}
    assert await refunds(database) == {str(payment.id): [100] for payment in payments}


async def test_what_was_under_way_when_a_job_was_stopped_is_known_and_no_other_file_refunds_it(
    bulk: Bulk, database: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    payments = await bulk.paid(3)
    url = await bulk.approved(lines(*(f"{payment.id},1," for payment in payments)))
    await bulk.steps(url, "start")

    async def dies(*_args: Any) -> None:
        raise Crash

    marked = bulk_rows.mark_sent
    monkeypatch.setattr(bulk_job.rows, "mark_sent", dies)
    with pytest.raises(Crash):
        await bulk.look(per_s=2)
    monkeypatch.setattr(bulk_job.rows, "mark_sent", marked)
    await bulk.steps(url, "stop")
    await bulk.deliver()
    second = await bulk.job(lines(*(f"{payment.id},1,again" for payment in payments)))
    await bulk.checked()
    assert await bulk.states(second) == {
        2: "refused in_another_job",
        3: "refused in_another_job",
        4: "waiting",
    }
    await bulk.carried_out(3)
    assert await bulk.states(url) == {2: "done", 3: "done", 4: "waiting"}
    assert await refunds(database) == {str(payment.id): [100] for payment in payments[:2]}


async def test_a_page_warns_that_another_file_refunded_the_same_payments(bulk: Bulk) -> None:
    payments = await bulk.paid(2)
    url = await bulk.approved(lines(*(f"{payment.id},1," for payment in payments)))
    assert "refunded in part by another file" not in await bulk.panel.get(url)
    await bulk.steps(url, "start")
    await bulk.carried_out(3)
    again = await bulk.job(lines(*(f"{payment.id},1,other bytes" for payment in payments)))
    await bulk.checked()
    assert "2 of the payments were refunded in part by another file already" in await bulk.panel.get(again)


async def test_a_job_that_is_stopped_waits_for_the_page_that_is_taken(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (payment,) = await bulk.paid(1)
    url = await bulk.approved(lines(f"{payment.id},1,"))
    await bulk.steps(url, "start")
    (version, *_) = VERSION.findall(await bulk.panel.get(url))
    stopping: list[asyncio.Task[tuple[int, str]]] = []
    take = bulk_rows.take

    async def meanwhile(*args: Any) -> Any:
        stopping.append(asyncio.create_task(bulk.step(url, "stop", version)))
        done, _ = await asyncio.wait(stopping, timeout=1)
        assert not done
        return await take(*args)

    monkeypatch.setattr(bulk_job.rows, "take", meanwhile)
    await bulk.look()
    assert (await stopping[0])[0] == 303
    await bulk.carried_out(2)
    assert await bulk.states(url) == {2: "done"}


async def test_a_job_that_runs_without_an_approval_sends_nothing(bulk: Bulk, database: AsyncEngine) -> None:
    (payment,) = await bulk.paid(1)
    url = await bulk.job(lines(f"{payment.id},1,"))
    await bulk.checked()
    await bulk.steps(url, "ask")
    await damage(database, "UPDATE bulk_jobs SET state = 'running'")
    await bulk.look()
    await damage(database, "UPDATE bulk_jobs SET approval = NULL")
    await bulk.look()
    assert bulk.kafka.sent == []


async def test_a_job_that_is_stopped_in_the_middle_of_its_dry_run_is_stopped(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (payment,) = await bulk.paid(1)
    url = await bulk.job(lines(f"{payment.id},1,"))
    (version, *_) = VERSION.findall(await bulk.panel.get(url))
    stopping: list[asyncio.Task[tuple[int, str]]] = []
    load = bulk_job.load_payments

    async def meanwhile(connection: Any, ids: Any) -> Any:
        stopping.append(asyncio.create_task(bulk.step(url, "stop", version)))
        await asyncio.wait(stopping, timeout=1)
        return await load(connection, ids)

    monkeypatch.setattr(bulk_job, "load_payments", meanwhile)
    await bulk.look()
    assert (await stopping[0])[0] == 303
    await bulk.look()
    assert "given up" in await bulk.panel.get(url)


async def test_one_process_at_a_time_works_on_files(bulk: Bulk, database: AsyncEngine) -> None:
    (payment,) = await bulk.paid(1)
    url = await bulk.approved(lines(f"{payment.id},,"))
    await bulk.steps(url, "start")
    async with held(database, Lock.BULK_REFUNDS) as got:
        assert got
        await bulk.look()
        assert bulk.kafka.sent == []
    await bulk.look()
    assert len(bulk.kafka.sent) == 1


async def test_no_row_is_sent_before_the_job_is_started_nor_above_the_rate(bulk: Bulk) -> None:
    payments = await bulk.paid(7)
    url = await bulk.approved(lines(*(f"{payment.id},1," for payment in payments)))
    await bulk.look()
    assert bulk.kafka.sent == []
    await bulk.steps(url, "start")
    await bulk.look(per_s=3)
    assert len(bulk.kafka.sent) == 3
    await bulk.look(per_s=3)
    assert len(bulk.kafka.sent) == 6


async def test_no_more_is_sent_than_payments_decide_on(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_job, "UNDECIDED", 4)
    payments = await bulk.paid(7)
    url = await bulk.approved(lines(*(f"{payment.id},1," for payment in payments)))
    await bulk.steps(url, "start")
    await bulk.look()
    await bulk.look()
    assert len(bulk.kafka.sent) == 4
    bulk.outcome = Outcome.UNKNOWN  # decided, and the provider does not answer: that keeps no other row waiting
    await bulk.deliver()
    await bulk.is_due()
    await bulk.look()
    assert len(bulk.kafka.sent) == 7


async def test_nothing_is_sent_while_a_worker_would_not_see_the_conditions(bulk: Bulk, database: AsyncEngine) -> None:
    (payment,) = await bulk.paid(1)
    url = await bulk.approved(lines(f"{payment.id},,"))
    await bulk.steps(url, "start")
    await damage(database, f"UPDATE process_leases SET understood = array_remove(understood, '{AmendPayment.TYPE}')")
    await bulk.look()
    assert bulk.kafka.sent == []


async def test_a_row_ends_as_its_payment_and_its_provider_decide(bulk: Bulk) -> None:
    changed, declined = await bulk.paid(2)
    url = await bulk.approved(lines(f"{changed.id},1,", f"{declined.id},1,"))
    agent = await bulk.panel.stream.agent()
    block = AmendPayment(changed.id, uuid4(), "carl@cinema.example", "fraud?", refunds_blocked=True)
    await bulk.panel.stream.deliver(agent, block)
    assert "1 of the payments has changed since the dry run" in await bulk.panel.get(url)
    await bulk.steps(url, "start")
    bulk.outcome = Outcome.DECLINED
    await bulk.carried_out(2)
    assert await bulk.states(url) == {2: "refused version_changed", 3: "failed declined"}
    assert (await bulk.panel.payment(changed.id)).refund_pending == 0


async def test_a_refund_that_takes_long_is_under_way_until_it_ends(bulk: Bulk) -> None:
    (payment,) = await bulk.paid(1)
    url = await bulk.approved(lines(f"{payment.id},1,"))
    await bulk.steps(url, "start")
    bulk.outcome = Outcome.PENDING
    await bulk.carried_out(2)
    assert await bulk.states(url) == {2: "sent PENDING"}
    page = await bulk.panel.get(url)
    assert "The provider has not finished it." in page
    assert "running" in page
    ((due, sent),) = await bulk.panel.rows("SELECT due_at > now(), due_at < now() + interval '1 minute' FROM bulk_rows")
    assert (due, sent) == (True, True)


async def resolved(database: AsyncEngine, offset: int, action: Literal["replayed", "discarded"]) -> None:
    """A person replayed or discarded a dead letter."""
    async with database.begin() as connection:
        assert await resolve(connection, (0, offset), Resolution(action, "carl@cinema.example", utc_now(), "mended"))


async def test_a_row_whose_command_is_a_dead_letter_fails_with_the_cause_and_goes_on_when_the_letter_is_replayed(
    bulk: Bulk, database: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, changed, good = await bulk.paid(3)
    url = await bulk.approved(lines(*(f"{payment.id},1," for payment in (dead, changed, good))))
    await bulk.steps(url, "start")
    decide = Payments.decide

    def refuses(agent: Any, state: Any, *rest: Any) -> Any:
        if state is not None and state.id in (dead.id, changed.id):
            raise InvalidMessage("a defect met anna@cinema.example")
        return decide(agent, state, *rest)

    monkeypatch.setattr(Payments, "decide", refuses)
    await bulk.carried_out(2)
    assert await bulk.states(url) == {2: "failed dead_letter", 3: "failed dead_letter", 4: "done"}
    page = await bulk.panel.get(url)
    assert "Every row has ended." in page
    assert '<a href="/letters/0-0">Dead letter 0-0</a>' in page
    assert "the payment could not process the command (InvalidMessage: a defect met ***)" in page
    result = list(csv.DictReader(io.StringIO((await bulk.panel.get(f"{url}/result.csv")).removeprefix("\ufeff"))))
    assert [(row["state"], row["code"], row["dead_letter"]) for row in result] == [
        ("failed", "dead_letter", "0-0"),
        ("failed", "dead_letter", "0-1"),
        ("refunded", "", ""),
    ]
    assert "a defect met ***" in result[0]["detail"]

    # Replayed before the mend: it is under way, and then a dead letter once more.
    sent = [message for message in bulk.kafka.sent if str(dead.id) == message.key]
    await resolved(database, 0, "replayed")
    await bulk.is_due()
    await bulk.look()
    assert (await bulk.states(url))[2] == "sent"
    page = await bulk.panel.get(url)
    assert "its row is under way again" in page
    assert "Dead letter 0-0" not in page
    bulk.kafka.sent += sent
    await bulk.carried_out(2)
    assert (await bulk.states(url))[2] == "failed dead_letter"
    assert "Dead letter 0-2" in await bulk.panel.get(url)

    # After the mend it is refunded; what has changed meanwhile is refused, though its letter was discarded before.
    monkeypatch.setattr(Payments, "decide", decide)
    await resolved(database, 2, "replayed")
    await resolved(database, 1, "discarded")
    agent = await bulk.panel.stream.agent()
    await bulk.panel.stream.deliver(
        agent, AmendPayment(changed.id, uuid4(), "carl@cinema.example", "fraud?", refunds_blocked=True)
    )
    await bulk.carried_out(2)
    assert (await bulk.states(url))[3] == "failed dead_letter"
    bulk.kafka.sent += [*sent, *(message for message in bulk.kafka.sent if str(changed.id) == message.key)]
    await bulk.carried_out(2)
    assert await bulk.states(url) == {2: "done", 3: "refused version_changed", 4: "done"}
    assert await refunds(database) == {str(payment.id): [100] for payment in (dead, good)}
    assert [row.letter for row in await bulk.rows(url)] == [None] * 3
    assert await violations(database) == set()


async def test_dead_letters_keep_no_room_from_the_rows_that_wait(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_job, "UNDECIDED", 2)
    payments = await bulk.paid(4)
    url = await bulk.approved(lines(*(f"{payment.id},1," for payment in payments)))
    await bulk.steps(url, "start")
    decide = Payments.decide

    def refuses(agent: Any, state: Any, *rest: Any) -> Any:
        if state is not None and state.id in [payment.id for payment in payments[:2]]:
            raise InvalidMessage("a defect")
        return decide(agent, state, *rest)

    monkeypatch.setattr(Payments, "decide", refuses)
    await bulk.carried_out(4)
    assert Counter(row.state for row in await bulk.rows(url)) == {"failed": 2, "done": 2}


async def test_two_jobs_never_have_the_same_payment_at_once(bulk: Bulk) -> None:
    (payment,) = await bulk.paid(1)
    first = await bulk.approved(lines(f"{payment.id},1,"))
    second = await bulk.job(lines(f"{payment.id},2,"))
    await bulk.checked()
    assert await bulk.states(second) == {2: "refused in_another_job"}
    await bulk.steps(first, "stop")
    await bulk.steps(second, "check")
    await bulk.checked()
    assert await bulk.states(second) == {2: "waiting"}


async def test_what_was_approved_cannot_be_changed_past_the_panel(bulk: Bulk, database: AsyncEngine) -> None:
    (payment,) = await bulk.paid(1)
    await bulk.approved(lines(f"{payment.id},1,"))
    for change in (
        "UPDATE bulk_rows SET amount = 200",
        "UPDATE bulk_rows SET payment_version = payment_version + 1",
        f"UPDATE bulk_rows SET operation_id = '{uuid4()}'",
        f"UPDATE bulk_rows SET payment_id = '{uuid4()}'",
        "UPDATE bulk_rows SET reason = 'another'",
        "DELETE FROM bulk_rows",
    ):
        with pytest.raises(DBAPIError, match="a row of a bulk job is not changed"):
            async with database.begin() as connection:
                await connection.execute(text(change))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE bulk_rows SET amount = 99", {"unapproved_operation"}),
        ("UPDATE bulk_rows SET reason = 'another'", {"unapproved_operation"}),
        ("UPDATE approvals SET decided_by = 'carl@cinema.example'", {"unapproved_operation"}),
        ("UPDATE approvals SET decision = 'refused', sent_at = NULL", {"unapproved_operation"}),
        ("UPDATE bulk_jobs SET created_by = 'carl@cinema.example'", {"unapproved_operation", "untrailed_operation"}),
        ("UPDATE bulk_jobs SET approval = NULL", {"unapproved_operation", "untrailed_operation"}),
        (
            """UPDATE staff_trail SET detail = detail || '{"action": "x"}' WHERE detail ->> 'action' = 'start'""",
            {"untrailed_operation", "trail_broken"},
        ),
        (
            """UPDATE staff_trail SET detail = detail || '{"action": "x"}' WHERE detail ->> 'action' = 'ask'""",
            {"untrailed_operation", "trail_broken"},
        ),
    ],
)
async def test_the_audit_finds_what_was_not_approved_or_is_not_on_the_trail(
    bulk: Bulk, database: AsyncEngine, change: str, found: set[str]
) -> None:
    (payment,) = await bulk.paid(1)
    url = await bulk.approved(lines(f"{payment.id},1,"))
    await bulk.steps(url, "start")
    await bulk.carried_out(2)
    await damage(
        database,
        "INSERT INTO staff (id, email, name, role, created_at, created_by)"
        " VALUES (:id, 'anna@cinema.example', 'A', 'finance', now(), 'x')",
        id=uuid4(),
    )
    assert await violations(database) == set()
    await damage(database, change)
    assert await violations(database) == found
