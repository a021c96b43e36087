"""A subscription in the panel: shown, and changed by commands alone."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from billing.access.roles import Role
from billing.messages import RefundPayment, WithdrawCharge, decode_envelope
from billing.messages.subscription_commands import CancelSubscription, ExtendPeriod, KeepSubscription, PayNow, When
from billing.subscriptions.prices import RefundRule
from billing.subscriptions.vocabulary import Status
from runtime.clock import utc_now
from storage.staff.trail import Kind
from tests.support.panel import HIDDEN
from tests.support.panel_subscriptions import SubscriptionPanel
from tests.unit.admin.conftest import serving


@pytest.fixture
async def panel(database, stack, monkeypatch) -> AsyncIterator[SubscriptionPanel]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    limits = {"admin_support_limit": {"RUB": 1_000}, "admin_approval_above": {"RUB": 40_000}}
    async with serving(postgres_url=url, kafka_url=stack["urls"]["kafka"], **limits) as world:
        panel = SubscriptionPanel(world, database)
        world.accounts.person = panel.person
        monkeypatch.setattr("admin.subscriptions.pages.send_command", panel.send_subscription)
        panel.become("anna")
        yield panel


def commands(panel: SubscriptionPanel) -> list[str]:
    return [entry.detail["action"] for entry in panel.world.trail.entries if entry.kind is Kind.COMMAND]


def refunds(panel: SubscriptionPanel) -> list[RefundPayment]:
    sent = [decode_envelope(bytes(o.value)).open() for o in panel.outbox.published]
    return [message for message in sent if isinstance(message, RefundPayment)]


async def test_a_subscription_is_shown_whole(panel):
    s = await panel.a_subscription()
    page = await panel.get(f"/subscriptions/{s.id}")
    assert "Paid until" in page
    assert "then 399.00 RUB is charged at yookassa" in page
    assert "price version 1" in page
    assert f'href="/payments/{s.period.paid_by}"' in page
    assert f'href="/customers/{s.customer_id}"' in page
    assert "<strong>started</strong>" in page, "the letter"
    assert "anna.k@example.com" not in page
    assert panel.world.trail.entries[-1].kind is Kind.VIEW
    assert panel.world.trail.entries[-1].subject_id == str(s.id), "who looked is on the trail"


async def test_what_cannot_be_put_on_the_trail_is_not_shown(panel):
    s = await panel.a_subscription()
    panel.world.trail.unavailable = True
    answer = await panel.world.get(f"/subscriptions/{s.id}")
    assert answer.status == 503
    assert "Cinema" not in (await answer.text()).partition("<main")[2]


async def test_an_unknown_subscription_is_a_page_that_helps(panel):
    for path in (f"/subscriptions/{uuid4()}", f"/subscriptions/{uuid4()}/cancel"):
        answer = await panel.world.get(path)
        assert answer.status == 404
        assert "Search for it by its customer" in await answer.text()


async def test_a_subscription_is_cancelled_at_its_end_and_kept_again(panel):
    s = await panel.a_subscription()
    status, page = await panel.subscription_form(s, "cancel", reason="asked by phone")
    assert status == 200
    assert "it ends" in page
    assert panel.asked_of == [], "nothing is sent by a preview"
    assert await panel.subscription(s.id) == s
    status, page = await panel.subscription_confirmed(s, "cancel", page)
    assert status == 200, page
    assert "Carried out" in page
    ((command, operator),) = panel.asked_of
    assert isinstance(command, CancelSubscription)
    assert (command.when, command.by, command.comment) == (When.AT_END, f"operator:{operator}", "asked by phone")
    assert command.if_version == s.version
    cancelled = await panel.subscription(s.id)
    assert cancelled.cancel.at == s.period.end_at
    assert "Cancelled by anna@cinema.example" in await panel.get(f"/subscriptions/{s.id}")
    status, page = await panel.act_on(cancelled, "keep", reason="changed their mind")
    assert status == 200, page
    assert isinstance(panel.asked_of[-1][0], KeepSubscription)
    assert (await panel.subscription(s.id)).cancel is None


async def test_a_double_click_is_one_command(panel):
    s = await panel.a_subscription()
    _, page = await panel.subscription_form(s, "end", reason="asked", refund="FULL")
    assert (await panel.subscription_confirmed(s, "end", page))[0] == 200
    after = await panel.subscription(s.id)
    assert (await panel.subscription_confirmed(s, "end", page))[0] == 200
    assert await panel.subscription(s.id) == after
    assert len(refunds(panel)) == 1
    entries = await panel.rows("SELECT detail FROM staff_trail WHERE kind = 'command'")
    assert len(entries) == 1


async def test_the_same_form_with_another_content_is_another_request(panel):
    s = await panel.a_subscription()
    _, page = await panel.subscription_form(s, "end", reason="asked", refund="NONE")
    await panel.subscription_confirmed(s, "end", page)
    fields = {name: value for name, value in HIDDEN.findall(page) if name != "form_token"}
    answer = await panel.world.post(f"/subscriptions/{s.id}/end/confirm", fields | {"refund": "FULL"})
    assert answer.status == 409
    assert "idempotency_key_reused" in await answer.text()
    assert refunds(panel) == []


async def test_a_subscription_that_changed_since_the_preview_is_previewed_again(panel):
    s = await panel.a_subscription()
    _, page = await panel.subscription_form(s, "cancel", reason="asked")
    await panel.deliver(CancelSubscription(s.id, command_id=uuid4()))
    status, page = await panel.subscription_confirmed(s, "cancel", page)
    assert status == 409
    assert "has changed since the preview" in page
    assert panel.asked_of == []


async def test_what_changes_between_the_page_and_the_agent_is_refused_by_the_agent(panel, monkeypatch):
    s = await panel.a_subscription()
    _, page = await panel.subscription_form(s, "end", reason="asked")

    async def later(*arguments):
        await panel.deliver(CancelSubscription(s.id, command_id=uuid4()))
        return await panel.send_subscription(*arguments)

    monkeypatch.setattr("admin.subscriptions.pages.send_command", later)
    status, page = await panel.subscription_confirmed(s, "end", page)
    assert status == 409
    assert "version_changed" in page
    assert (await panel.subscription(s.id)).status is Status.ACTIVE
    assert refunds(panel) == []


async def test_cancelled_now_it_gives_back_what_the_preview_says(panel):
    s = await panel.a_subscription()
    _, page = await panel.subscription_form(s, "end", reason="asked", refund="FULL")
    assert "give back 399.00 RUB" in page
    status, page = await panel.subscription_confirmed(s, "end", page)
    assert status == 200, page
    (refund,) = refunds(panel)
    assert (refund.payment_id, refund.amount) == (s.period.paid_by, 39_900)
    assert panel.asked_of[0][0].refund is RefundRule.FULL
    ((detail,),) = await panel.rows("SELECT detail FROM staff_trail WHERE kind = 'command'")
    assert (detail["amount"], detail["gives_back"], detail["limit"]) == (39_900, True, 40_000)


async def test_more_than_one_s_limit_is_not_given_back_alone(panel):
    panel.become("sam", Role.SUPPORT)
    s = await panel.a_subscription()
    status, page = await panel.subscription_form(s, "end", reason="asked", refund="FULL")
    assert (status, "A second person has to approve" in page) == (200, True)
    forged = {"approval": '{"id":"1","approved_by":"boris@cinema.example"}', "approved_by": "boris@cinema.example"}
    fields = {"key": str(uuid4()), "reason": "asked", "refund": "FULL", "if_version": str(s.version)} | forged
    answer = await panel.world.post(f"/subscriptions/{s.id}/end/confirm", fields)
    assert (answer.status, "Waits for a second person" in await answer.text()) == (200, True)
    assert panel.asked_of == []
    assert await panel.rows("SELECT 1 FROM staff_trail WHERE kind = 'command'") == []
    status, _ = await panel.act_on(s, "end", reason="asked", refund="NONE")
    assert status == 200
    assert refunds(panel) == []


async def test_what_is_given_back_by_cancelling_counts_for_the_day(panel):
    panel.world.settings.admin_daily_above["RUB"] = 50_000
    first, second = await panel.a_subscription("c-1"), await panel.a_subscription("c-2")
    assert (await panel.act_on(first, "end", reason="asked", refund="FULL"))[0] == 200
    _, page = await panel.act_on(second, "end", reason="asked", refund="FULL")
    assert "Waits for a second person" in page
    assert "within 24 hours" in page
    assert len(panel.asked_of) == 1
    paid = await panel.payment((await panel.subscription(second.id)).period.paid_by)
    _, page = await panel.previewed(paid, "refund", reason="asked")
    assert "within 24 hours" in page, "so does a refund of a payment"


async def test_a_charge_under_way_is_withdrawn_in_words_and_counts_for_the_limits(panel):
    panel.now = utc_now() - timedelta(days=33)
    s = await panel.a_subscription()
    await panel.charged(s.id)
    s = await panel.subscription(s.id)
    assert s.charge is not None
    panel.become("sam", Role.SUPPORT)
    status, page = await panel.subscription_form(s, "end", reason="asked", refund="NONE")
    assert (status, "A second person has to approve" in page) == (200, True)
    fields = {"key": str(uuid4()), "reason": "asked", "refund": "NONE", "if_version": str(s.version)}
    answer = await panel.world.post(f"/subscriptions/{s.id}/end/confirm", fields)
    assert "Waits for a second person" in await answer.text()
    assert panel.asked_of == []
    panel.become("anna")
    status, page = await panel.subscription_form(s, "end", reason="asked", refund="NONE")
    assert status == 200, page
    assert "it is given back if it was taken" in page
    assert f'href="/payments/{s.charge.payment_id}"' in page
    assert (await panel.subscription_confirmed(s, "end", page))[0] == 200
    sent = [decode_envelope(bytes(o.value)).open() for o in panel.outbox.published]
    assert [m.payment_id for m in sent if isinstance(m, WithdrawCharge)] == [s.charge.payment_id]
    ((detail,),) = await panel.rows("SELECT detail FROM staff_trail WHERE kind = 'command'")
    assert (detail["amount"], detail["gives_back"]) == (39_900, True)


async def test_a_period_is_extended_by_finance_alone(panel):
    s = await panel.a_subscription()
    until = (s.period.end_at + timedelta(days=7)).replace(microsecond=0)
    typed = until.astimezone(ZoneInfo(panel.world.settings.business_zone))  # a form is in the zone of its reader
    status, page = await panel.act_on(s, "extend", reason="an outage", until=f"{typed:%Y-%m-%dT%H:%M:%S}")
    assert status == 200, page
    assert isinstance(panel.asked_of[0][0], ExtendPeriod)
    assert (await panel.subscription(s.id)).period.end_at == until
    panel.become("sam", Role.SUPPORT)
    assert (await panel.world.get(f"/subscriptions/{s.id}/extend")).status == 403
    assert f"/subscriptions/{s.id}/extend" not in await panel.get(f"/subscriptions/{s.id}")


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("cancel", {}),
        ("cancel", {"reason": "4111111111111111"}),
        ("end", {"reason": "asked", "refund": "TWICE"}),
        ("extend", {"reason": "asked", "until": "soon"}),
        ("extend", {"reason": "asked", "until": "2099-01-01T00:00"}),
    ],
)
async def test_a_form_that_cannot_be_used_is_shown_again(panel, action, fields):
    s = await panel.a_subscription()
    status, page = await panel.subscription_form(s, action, **fields)
    assert status == 422
    assert 'role="alert"' in page


async def test_a_declined_renewal_is_paid_on_a_page(panel):
    panel.now = utc_now() - timedelta(days=33)
    s = await panel.a_subscription()
    s = await panel.declined(s.id)
    assert s.status is Status.PAST_DUE
    assert "The renewal was declined" in await panel.get(f"/subscriptions/{s.id}")
    status, page = await panel.act_on(s, "pay", reason="at the phone")
    assert status == 200, page
    ((command, operator),) = panel.asked_of
    assert isinstance(command, PayNow)
    assert (command.operator, command.reason) == (operator, "at the phone")
    assert panel.asked()[-1].save_method


async def test_what_is_refused_now_has_the_subscription_s_own_words(panel):
    s = await panel.a_subscription()
    page = await panel.get(f"/subscriptions/{s.id}")
    assert "Nothing is to be paid now." in page
    assert "There is no cancellation to take back." in page
    status, page = await panel.subscription_form(s, "pay", reason="asked")
    assert status == 409
    assert "nothing_due" in page


async def test_a_viewer_s_crafted_post_changes_nothing(panel):
    s = await panel.a_subscription()
    panel.become("victor", Role.VIEWER)
    fields = {"key": str(uuid4()), "reason": "x", "if_version": str(s.version)}
    answer = await panel.world.post(f"/subscriptions/{s.id}/end/confirm", fields)
    assert answer.status == 403
    assert panel.asked_of == []
    assert panel.world.trail.entries[-1].kind is Kind.REFUSED
    assert "What you can do" not in await panel.get(f"/subscriptions/{s.id}")


async def test_a_long_life_is_shown_page_by_page(panel, monkeypatch):
    monkeypatch.setattr("admin.subscriptions.reading.PERIODS", 1)
    monkeypatch.setattr("admin.subscriptions.reading.ATTEMPTS", 1)
    monkeypatch.setattr("admin.subscriptions.reading.MESSAGES", 2)
    panel.now = utc_now() - timedelta(days=33)
    s = await panel.a_subscription()
    first = s.period.paid_by
    await panel.declined(s.id)
    latest = await panel.get(f"/subscriptions/{s.id}")
    assert "?attempt=2-1#attempt" in latest
    assert "The card has expired." in latest
    earlier = await panel.get(f"/subscriptions/{s.id}?attempt=2-1")
    assert f'href="/payments/{first}"' in earlier.partition('id="attempt"')[2]
    place = latest.partition("?message=")[2].partition("#")[0]
    assert place not in await panel.get(f"/subscriptions/{s.id}?message={place}")


async def test_a_place_that_no_list_has_is_no_outage(panel):
    s = await panel.a_subscription()
    for place in ("attempt=now", "attempt=1-99999999999", "message=1-9999999999999999999", "period=99999999999"):
        assert (await panel.world.get(f"/subscriptions/{s.id}?{place}")).status == 422, place
    for place in ("attempt=999999999-999999999", "message=999999999-999999999999999999"):
        assert (await panel.world.get(f"/subscriptions/{s.id}?{place}")).status == 200, place
