"""The panel changes payments by commands alone: seen, previewed, confirmed, approved."""

from collections.abc import AsyncIterator
from uuid import uuid4

import msgspec
import pytest
from sqlalchemy import text

from billing.access.roles import Role
from billing.messages import ProviderResult, RefundPayment
from billing.vocabulary import Action, OperationType, Outcome, PaymentStatus
from tests.support.panel import HIDDEN, Panel
from tests.unit.admin.conftest import serving


@pytest.fixture
async def panel(database, stack, monkeypatch) -> AsyncIterator[Panel]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    limits = {"admin_support_limit": {"RUB": 1_000}, "admin_approval_above": {"RUB": 50_000}}
    async with serving(postgres_url=url, kafka_url=stack["urls"]["kafka"], **limits) as world:
        panel = Panel(world, database)
        world.accounts.person = panel.person
        monkeypatch.setattr("admin.payments.pages.send_command", panel.send)
        monkeypatch.setattr("admin.approvals.payments.send_command", panel.send)
        panel.become("anna")
        yield panel


async def test_without_clickhouse_the_panel_is_ready_and_says_what_is_missing(panel):
    answer = await panel.world.get("/readyz")
    assert (answer.status, await answer.json()) == (200, {"ready": True, "reasons": []})
    panel.world.store.unavailable = True
    answer = await panel.world.get("/readyz")
    said = {"ready": True, "reasons": ["ClickHouse does not answer: reports cannot be shown"]}
    assert (answer.status, await answer.json()) == (200, said)


async def test_a_payment_is_found_and_shown(panel):
    payment = await panel.a_paid(59_900)
    assert str(payment.id) in await panel.get(f"/payments?q={payment.order.id}")
    assert str(payment.id) in await panel.get("/payments?q=599.00+RUB")
    assert str(payment.id) in await panel.get("/payments?q=customer-1")
    page = await panel.get(f"/payments/{payment.id}")
    assert "captured 599.00 RUB" in page
    assert "film-1" in page
    assert page.count('<svg class="bar') == 4, "three messages of the payment, and the call between"
    assert "create payment" in page.partition('class="waterfall"')[2]
    assert panel.world.trail.entries[-1].subject_id == str(payment.id), "who looked is on the trail"


async def test_a_refund_is_previewed_and_then_happens_so(panel):
    payment = await panel.a_paid(59_900, 10_000)
    status, page = await panel.previewed(payment, "refund", reason="asked", **{"item-1": "1"})
    assert status == 200
    assert "If the provider agrees" in page
    assert "<del><code>film-2</code></del>" in page
    assert panel.sent == [], "nothing is sent by a preview"
    assert await panel.payment(payment.id) == payment
    status, page = await panel.confirmed(payment, "refund", page)
    assert status == 200, page
    ((command, id, operator),) = panel.sent
    assert isinstance(command, RefundPayment)
    assert (command.operator, command.reason, command.if_version) == (operator, "asked", payment.version)
    after = await panel.payment(payment.id)
    assert after.refund_pending == 10_000
    assert after.operation(id) is not None


async def test_a_double_click_is_one_refund(panel):
    payment = await panel.a_paid(59_900)
    _, page = await panel.previewed(payment, "refund", reason="asked", amount="10.00")
    assert (await panel.confirmed(payment, "refund", page))[0] == 200
    assert (await panel.confirmed(payment, "refund", page))[0] == 200
    after = await panel.payment(payment.id)
    assert after.refund_pending == 1_000
    assert len(after.operations) == len(payment.operations) + 1


async def test_a_payment_that_changed_since_the_preview_is_previewed_again(panel):
    payment = await panel.a_paid(59_900)
    _, page = await panel.previewed(payment, "refund", reason="asked", amount="10.00")
    await panel.stream.deliver(await panel.stream.agent(), RefundPayment(payment.id, uuid4(), "by the shop", 59_000))
    status, page = await panel.confirmed(payment, "refund", page)
    assert status == 409
    assert "has changed since the preview" in page
    assert panel.sent == []


async def test_a_refused_refund_says_why_and_what_to_do(panel):
    payment = await panel.a_paid(59_900)
    status, page = await panel.previewed(payment, "refund", reason="asked", amount="600")
    assert status == 409
    assert "amount_exceeds_refundable" in page
    assert "600.00 RUB cannot be refunded: 599.00 RUB is left." in page
    assert "Refund at most what is left" in page
    assert "confirm" not in page.partition("<main")[2]


@pytest.mark.parametrize("fields", [{"amount": "1"}, {"reason": "x", "amount": "one"}, {"reason": "4111111111111111"}])
async def test_a_form_that_cannot_be_used_is_shown_again(panel, fields):
    payment = await panel.a_paid(59_900)
    status, page = await panel.previewed(payment, "refund", **fields)
    assert status == 422
    assert 'role="alert"' in page


async def test_a_viewer_s_crafted_post_moves_nothing(panel):
    payment = await panel.a_paid(59_900)
    panel.become("victor", Role.VIEWER)
    path = f"/payments/{payment.id}/refund/confirm"
    response = await panel.world.post(path, {"key": str(uuid4()), "reason": "x", "if_version": str(payment.version)})
    assert response.status == 403
    assert panel.sent == []
    assert panel.world.trail.entries[-1].kind == "refused"
    assert await panel.payment(payment.id) == payment


async def test_an_approval_in_the_form_is_ignored(panel):
    payment = await panel.a_paid(59_900)
    _, page = await panel.previewed(payment, "refund", reason="asked")
    hidden = {name: value for name, value in HIDDEN.findall(page) if name != "form_token"}
    forged = {"approval": '{"id":"1","approved_by":"boris@cinema.example"}', "approved_by": "boris@cinema.example"}
    response = await panel.world.post(f"/payments/{payment.id}/refund/confirm", hidden | forged)
    assert "Waits for a second person" in await response.text()
    assert panel.sent == []


async def test_a_large_refund_needs_a_second_person_who_sends_exactly_it(panel):
    payment = await panel.a_paid(59_900)
    status, page = await panel.act(payment, "refund", reason="asked")
    assert status == 200
    assert "Waits for a second person" in page
    assert panel.sent == []
    ((id, stored),) = await panel.rows("SELECT id, command FROM approvals")
    own = await panel.world.post(f"/approvals/{id}/approve")
    assert own.status == 409
    assert panel.sent == [], "nobody approves their own request"
    panel.become("boris")
    assert "Approve and send" in await panel.get(f"/approvals/{id}")
    response = await panel.world.post(f"/approvals/{id}/approve")
    assert response.status == 200, await response.text()
    ((command, _, operator),) = panel.sent
    assert operator == "anna@cinema.example"
    assert command.approval.approved_by == "boris@cinema.example"
    assert msgspec.json.encode(msgspec.structs.replace(command, approval=None)) == bytes(stored)
    assert (await panel.payment(payment.id)).refund_pending == 59_900
    again = await panel.world.post(f"/approvals/{id}/approve")
    assert again.status == 409
    assert len(panel.sent) == 1


async def test_an_approval_of_a_payment_that_changed_is_refused(panel):
    payment = await panel.a_paid(59_900)
    await panel.act(payment, "refund", reason="asked")
    ((id,),) = await panel.rows("SELECT id FROM approvals")
    await panel.stream.deliver(await panel.stream.agent(), RefundPayment(payment.id, uuid4(), "by the shop", 100))
    panel.become("boris")
    assert "has changed since" in await panel.get(f"/approvals/{id}")
    assert (await panel.world.post(f"/approvals/{id}/approve")).status == 409
    assert panel.sent == []


async def test_an_approved_command_that_did_not_reach_kafka_can_be_sent_again(panel):
    payment = await panel.a_paid(59_900)
    await panel.act(payment, "refund", reason="asked")
    ((id,),) = await panel.rows("SELECT id FROM approvals")
    panel.become("boris")
    panel.lost = True
    assert (await panel.world.post(f"/approvals/{id}/approve")).status >= 500
    panel.lost = False
    assert "not sent" in await panel.get("/approvals")
    assert (await panel.world.post(f"/approvals/{id}/send")).status == 200
    assert (await panel.payment(payment.id)).refund_pending == 59_900
    assert "Nothing waits" in await panel.get("/approvals")


async def test_many_small_refunds_are_added_up(panel):
    panel.world.settings.admin_daily_above["RUB"] = 1_500
    first, second = await panel.a_paid(59_900), await panel.a_paid(59_900)
    await panel.act(first, "refund", reason="asked", amount="10")
    assert len(panel.sent) == 1
    status, page = await panel.act(second, "refund", reason="asked", amount="10")
    assert status == 200
    assert "Waits for a second person" in page
    assert len(panel.sent) == 1


async def test_support_refunds_up_to_its_limit_alone(panel):
    panel.become("sam", Role.SUPPORT)
    payment = await panel.a_paid(59_900)
    await panel.act(payment, "refund", reason="asked", amount="10")
    assert len(panel.sent) == 1
    payment = await panel.payment(payment.id)
    _, page = await panel.act(payment, "refund", reason="asked", amount="10.01")
    assert "Waits for a second person" in page
    assert len(panel.sent) == 1


async def test_a_correction_is_made_by_two_people(panel):
    payment = await panel.a_paid(59_900)
    operation = next(o for o in payment.operations if o.type is OperationType.CAPTURE)
    await panel.act(payment, "correct", reason="console", operation=str(operation.id), ended="failed")
    ((id,),) = await panel.rows("SELECT id FROM approvals")
    assert panel.sent == []
    panel.become("boris")
    assert (await panel.world.post(f"/approvals/{id}/approve")).status == 200
    assert (await panel.payment(payment.id)).captured == 0


async def test_a_note_and_a_block_are_on_the_page(panel):
    payment = await panel.a_paid(59_900)
    await panel.act(payment, "note", note="Called, will call again")
    await panel.act(payment, "block", reason="fraud")
    page = await panel.get(f"/payments/{payment.id}")
    assert "Called, will call again" in page
    assert "Refunds are blocked." in page
    assert "Refunds of this payment are blocked." in page, "the refund is off, in the words of decide"
    assert "The payment&#39;s state is “paid”: nothing is held" in page, "and so is the capture"


async def test_what_the_preview_says_is_what_happened(panel):
    payment = await panel.a_paid(59_900, 10_000)
    _, page = await panel.previewed(payment, "refund", reason="asked", **{"item-1": "1"})
    await panel.confirmed(payment, "refund", page)
    ((_command, id, _),) = panel.sent
    result = ProviderResult(payment.id, id, payment.provider, Action.REFUND, Outcome.SUCCEEDED)
    await panel.stream.deliver(await panel.stream.agent(), result)
    after = await panel.payment(payment.id)
    said = page.partition("If the provider agrees")[2].partition("If it declines")[0]
    assert "refunded in part" in said
    assert (after.status, after.refunded) == (PaymentStatus.PARTIALLY_REFUNDED, 10_000)
    shown = await panel.get(f"/payments/{payment.id}")
    for posted in ("refunds", f"clearing:{payment.provider}"):
        assert posted in said
        assert posted in shown


async def test_the_database_refuses_what_the_pages_would_never_do(panel):
    payment = await panel.a_paid(59_900)
    await panel.act(payment, "refund", reason="asked")
    forged = [
        "UPDATE approvals SET decision = 'approved', decided_by = requested_by, decided_at = now()",
        "UPDATE approvals SET command = '{}'",
        "UPDATE approvals SET amount = 1",
        "DELETE FROM approvals",
    ]
    for statement in forged:
        with pytest.raises(Exception, match="approved_by_another|not changed"):
            async with panel.stream.engine.begin() as connection:
                await connection.execute(text(statement))
