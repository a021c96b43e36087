"""The audit compares commands of people with the trail and with approvals: what the panel does has both."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.trail.trail import Trail
from backoffice.audit.audit import check_books
from backoffice.audit.findings import Findings
from backoffice.commands import enveloped
from billing.access.roles import Role
from billing.clearing.discrepancies import Kind
from billing.messages import Approval, CorrectPayment, RefundPayment
from billing.messages.subscription_commands import CancelSubscription, When
from billing.subscriptions.prices import RefundRule
from billing.vocabulary import OperationType
from runtime.clock import utc_now
from storage.inspection.books import moment
from tests.integration.backoffice.audit.books import damage
from tests.support.clearing_panel import ClearingPanel
from tests.support.panel import Panel
from tests.support.panel_subscriptions import SubscriptionPanel
from tests.unit.admin.conftest import serving

ANNA = "anna@cinema.example"


@pytest.fixture
async def panel(database: AsyncEngine, stack: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Panel]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    limits = {"admin_support_limit": {"RUB": 1_000}, "admin_approval_above": {"RUB": 50_000}}
    async with serving(postgres_url=url, kafka_url=stack["urls"]["kafka"], **limits) as world:
        panel = Panel(world, database)
        world.accounts.person = panel.person
        world.app.state.trail = Trail(database)
        monkeypatch.setattr("admin.payments.pages.send_command", panel.send)
        monkeypatch.setattr("admin.approvals.payments.send_command", panel.send)
        panel.become("anna")
        yield panel


async def kinds(database: AsyncEngine) -> dict[str, str]:
    """Kind → id of what the audit finds."""
    findings = Findings()
    async with moment(database) as connection:
        await check_books(connection, findings)
    return {violation.kind: violation.id for violation in findings.violations}


async def sent(panel: Panel, command: Any, id: UUID, source: str = "/admin") -> None:
    """To Kafka, past the panel."""
    agent = await panel.stream.agent()
    await agent.process([panel.stream.log.write_raw(enveloped(command, id, command.operator, source).encode())])


async def approved(panel: Panel) -> None:
    """A second person approves what waits."""
    ((id,),) = await panel.rows("SELECT id FROM approvals")
    panel.become("boris")
    assert (await panel.world.post(f"/approvals/{id}/approve")).status == 200


async def test_what_people_do_on_the_pages_is_no_violation(panel: Panel, database: AsyncEngine) -> None:
    payment = await panel.a_paid(59_900, 10_000)
    await panel.act(payment, "note", note="called")
    await panel.act(payment, "block", reason="fraud?")
    payment = await panel.payment(payment.id)
    await panel.act(payment, "block", reason="no fraud")
    payment = await panel.payment(payment.id)
    await panel.act(payment, "refund", reason="asked", **{"item-1": "1"})
    panel.become("sam", Role.SUPPORT)
    payment = await panel.payment(payment.id)
    await panel.act(payment, "refund", reason="asked", amount="10")
    other = await panel.a_paid(20_000)
    operation = next(o for o in other.operations if o.type is OperationType.CAPTURE)
    panel.become("anna")
    payment = await panel.payment(payment.id)
    await panel.act(payment, "refund", reason="late", amount="20")
    await panel.act(other, "correct", reason="console", operation=str(operation.id), ended="failed")
    await approved(panel)
    assert len(panel.sent) == 7
    assert await kinds(database) == {}


async def test_an_approved_command_matches_its_request(panel: Panel, database: AsyncEngine) -> None:
    payment = await panel.a_paid(59_900)
    await panel.act(payment, "refund", reason="asked")
    await approved(panel)
    assert await kinds(database) == {}
    await damage(database, "UPDATE approvals SET decided_by = 'carl@cinema.example'")
    ((command, id, _),) = panel.sent
    assert command.operation_id == id
    assert await kinds(database) == {"unapproved_operation": str(id)}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE approvals SET decision = 'refused', sent_at = NULL",
        "UPDATE approvals SET requested_by = 'carl@cinema.example'",
        "UPDATE approvals SET command = convert_to(replace(convert_from(command, 'UTF8'), 'asked', 'ask'), 'UTF8')",
        "DELETE FROM approvals",
    ],
)
async def test_an_approval_of_something_else_is_none(panel: Panel, database: AsyncEngine, change: str) -> None:
    payment = await panel.a_paid(59_900)
    await panel.act(payment, "refund", reason="asked")
    await approved(panel)
    await damage(database, change)
    assert set(await kinds(database)) == {"unapproved_operation"}


async def test_more_than_the_limit_without_an_approval_is_found(panel: Panel, database: AsyncEngine) -> None:
    payment = await panel.a_paid(59_900)
    panel.world.settings.admin_approval_above["RUB"] = 100_000
    await panel.act(payment, "refund", reason="asked")
    assert len(panel.sent) == 1
    assert await kinds(database) == {}, "one person's limit was higher then"
    await damage(database, """UPDATE staff_trail SET detail = jsonb_set(detail, '{limit}', '59899')""")
    found = await kinds(database)
    assert found["unapproved_operation"] == str(panel.sent[0][1])
    assert set(found) == {"unapproved_operation", "trail_broken"}


async def test_a_command_in_somebody_s_name_past_the_panel_is_found(panel: Panel, database: AsyncEngine) -> None:
    payment = await panel.a_paid(59_900)
    id = uuid4()
    await sent(panel, RefundPayment(payment.id, id, "asked", 100, operator=ANNA), id)
    assert await kinds(database) == {"untrailed_operation": str(id)}


async def test_a_command_is_not_covered_by_another_person_s_entry(panel: Panel, database: AsyncEngine) -> None:
    payment = await panel.a_paid(59_900)
    await panel.act(payment, "refund", reason="asked", amount="10")
    await damage(database, "UPDATE journal SET message = jsonb_set(message, '{data,operator}', '\"carl@cinema.example\"')"
                 " WHERE message -> 'data' ->> 'operator' IS NOT NULL")  # fmt: skip
    assert set(await kinds(database)) == {"untrailed_operation"}


async def test_a_member_of_the_staff_is_no_operator_elsewhere_without_a_record(
    panel: Panel, database: AsyncEngine
) -> None:
    payment, first, second = await panel.a_paid(59_900), uuid4(), uuid4()
    await sent(panel, RefundPayment(payment.id, first, "asked", 100, operator=ANNA), first, "/cli")
    assert await kinds(database) == {}, "nobody on the staff has this name"
    await damage(
        database,
        "INSERT INTO staff (id, email, name, role, created_at, created_by) VALUES (:id, :email, 'A', 'finance', now(), 'x')",
        id=uuid4(),
        email=ANNA,
    )
    assert await kinds(database) == {"untrailed_operation": str(first)}
    await damage(database, "DELETE FROM staff")
    await sent(panel, RefundPayment(payment.id, second, "asked", 100, operator="ops"), second, "/cli")
    assert await kinds(database) == {}, "operators of the command line are no people of the panel"


async def test_a_correction_of_the_panel_without_a_second_person_is_found(panel: Panel, database: AsyncEngine) -> None:
    payment, id = await panel.a_paid(59_900), uuid4()
    operation = next(o for o in payment.operations if o.type is OperationType.CAPTURE)
    await sent(panel, CorrectPayment(payment.id, id, operation.id, False, ANNA, "console"), id)
    assert set(await kinds(database)) == {"untrailed_operation", "unapproved_operation"}


async def test_an_approval_that_nobody_gave_is_found(panel: Panel, database: AsyncEngine) -> None:
    payment, id = await panel.a_paid(59_900), uuid4()
    forged = RefundPayment(payment.id, id, "asked", operator=ANNA)
    forged = msgspec.structs.replace(forged, approval=Approval(uuid4(), "boris@cinema.example", utc_now()))
    await sent(panel, forged, id)
    assert (await kinds(database))["unapproved_operation"] == str(id)


@pytest.fixture
async def subscriptions(
    database: AsyncEngine, stack: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SubscriptionPanel]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with serving(
        postgres_url=url, kafka_url=stack["urls"]["kafka"], admin_approval_above={"RUB": 50_000}
    ) as world:
        panel = SubscriptionPanel(world, database)
        world.accounts.person = panel.person
        world.app.state.trail = Trail(database)
        monkeypatch.setattr("admin.subscriptions.pages.send_command", panel.send_subscription)
        monkeypatch.setattr("admin.approvals.subscriptions.send_command", panel.send_subscription)
        panel.become("anna")
        yield panel


async def of_people(database: AsyncEngine) -> dict[str, str]:
    """What the audit finds about commands of people; the payments of these subscriptions are not whole."""
    return {kind: id for kind, id in (await kinds(database)).items() if kind.endswith("_operation")}


async def test_commands_to_subscriptions_are_on_the_trail_too(
    subscriptions: SubscriptionPanel, database: AsyncEngine
) -> None:
    panel = subscriptions
    s = await panel.a_subscription()
    await panel.act_on(s, "cancel", reason="asked")
    await panel.act_on(await panel.subscription(s.id), "end", reason="asked", refund="FULL")
    assert await of_people(database) == {}
    ended = str(panel.asked_of[-1][0].command_id)
    await damage(database, """UPDATE staff_trail SET detail = jsonb_set(detail, '{limit}', '39899')""")
    assert await of_people(database) == {"unapproved_operation": ended}
    await damage(database, f"DELETE FROM staff_trail WHERE detail ->> 'message' = '{ended}'")
    assert await of_people(database) == {"untrailed_operation": ended}


async def test_an_approved_command_to_a_subscription_matches_its_request(
    subscriptions: SubscriptionPanel, database: AsyncEngine
) -> None:
    panel = subscriptions
    panel.world.settings.admin_approval_above["RUB"] = 30_000
    s = await panel.a_subscription()
    await panel.act_on(s, "end", reason="asked", refund="FULL")
    await approved(panel)
    id = str(panel.asked_of[-1][0].command_id)
    assert await of_people(database) == {}
    for change in (
        "decided_by = 'carl@cinema.example'",
        "requested_by = 'carl@cinema.example'",
        "amount = 39899",
        "subscription_id = gen_random_uuid()",
        "command = convert_to(replace(convert_from(command, 'UTF8'), 'asked', 'ask'), 'UTF8')",
        "decision = 'refused', sent_at = NULL",
    ):
        ((before,),) = await panel.rows("SELECT to_jsonb(a)::text FROM approvals a")
        await damage(database, f"UPDATE approvals SET {change}")
        assert await of_people(database) == {"unapproved_operation": id}, change
        await damage(database, "DELETE FROM approvals")
        await damage(
            database,
            "INSERT INTO approvals SELECT (jsonb_populate_record(NULL::approvals, CAST(:before AS jsonb))).*",
            before=before,
        )
    assert await of_people(database) == {}


async def test_an_approval_of_a_subscription_s_command_that_nobody_gave_is_found(
    subscriptions: SubscriptionPanel, database: AsyncEngine
) -> None:
    panel = subscriptions
    s = await panel.a_subscription()
    forged = CancelSubscription(
        s.id, command_id=uuid4(), when=When.NOW, refund=RefundRule.FULL, by=f"operator:{ANNA}",
        approval=Approval(uuid4(), "boris@cinema.example", utc_now()),
    )  # fmt: skip
    await panel.send_subscription(None, None, forged, ANNA)
    id = str(forged.command_id)
    assert await of_people(database) == {"untrailed_operation": id, "unapproved_operation": id}


@pytest.mark.parametrize("resolution", ["written_off", "accepted"])
async def test_a_discrepancy_that_is_closed_without_its_approval_is_found(
    database: AsyncEngine, stack: dict[str, Any], resolution: str
) -> None:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with serving(postgres_url=url, kafka_url=stack["urls"]["kafka"]) as world:
        panel = ClearingPanel(world, database)
        world.accounts.person = panel.person
        world.app.state.trail = Trail(database)
        panel.become("anna")
        (large,) = await panel.found(kind=Kind.UNCLASSIFIED_LINE, theirs=100_001)
        (small,) = await panel.found(kind=Kind.UNCLASSIFIED_LINE, theirs=100_000)
        for one in (large, small):
            await panel.decide(one, "resolve", resolution=resolution)
        ((id,),) = await panel.rows("SELECT id FROM approvals")
        panel.become("boris")
        assert (await panel.world.post(f"/approvals/{id}/approve")).status == 303
    assert await of_people(database) == {}
    for change in (
        "decided_by = 'carl@cinema.example'",
        "amount = 1",
        "discrepancy_id = gen_random_uuid()",
        "command = convert_to(replace(convert_from(command, 'UTF8'), '\"version\"\\:1', '\"version\"\\:2'), 'UTF8')",
        "command = convert_to(replace(convert_from(command, 'UTF8'), 'resolution\":\"', 'resolution\":\"not_'), 'UTF8')",
    ):
        ((before,),) = await panel.rows("SELECT to_jsonb(a)::text FROM approvals a")
        await damage(database, f"UPDATE approvals SET {change}")
        assert await of_people(database) == {"unapproved_operation": str(large)}, change
        await damage(database, "DELETE FROM approvals")
        assert await of_people(database) == {"unapproved_operation": str(large)}
        await damage(
            database,
            "INSERT INTO approvals SELECT (jsonb_populate_record(NULL::approvals, CAST(:before AS jsonb))).*",
            before=before,
        )
    await damage(database, "UPDATE discrepancy_events SET evidence = evidence - 'approval'")
    assert await of_people(database) == {"unapproved_operation": str(large)}


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        ("UPDATE customer_notes SET text = 'kind'", False),
        ("UPDATE customer_notes SET author = 'carl@cinema.example'", False),
        ("UPDATE customer_notes SET customer_id = 'another'", False),
        ("DELETE FROM customer_notes", True),
        (
            "INSERT INTO customer_notes SELECT gen_random_uuid(), customer_id, at, author, text FROM customer_notes",
            False,
        ),
    ],
    ids=["other words", "another author", "another customer", "gone", "past the panel"],
)
async def test_notes_about_customers_are_those_of_the_trail(
    panel: Panel, database: AsyncEngine, change: str, gone: bool
) -> None:
    payment = await panel.a_paid(59_900)
    note = {"customer_id": payment.order.customer_id, "note": "rude", "key": "1"}
    assert (await panel.world.post("/notes/add", note)).status == 303
    assert await kinds(database) == {}
    ((id,),) = await panel.rows("SELECT id FROM customer_notes")
    await damage(database, change)
    found = await kinds(database)
    assert set(found) == {"untrailed_note"}
    if gone:
        assert found["untrailed_note"] == str(id)
