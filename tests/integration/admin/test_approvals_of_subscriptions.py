"""A second person approves what ends a subscription; forged approvals are refused, and on the trail."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.access.roles import Role
from billing.messages import RefundPayment, decode_envelope
from billing.messages.subscription_commands import CancelSubscription
from billing.subscriptions.vocabulary import Status
from runtime.clock import utc_now
from tests.support.approvals import at_once, changed, decides, expires, refusals, the_request, with_trail
from tests.support.panel_subscriptions import SubscriptionPanel
from tests.unit.admin.conftest import serving


@pytest.fixture
async def shop(
    database: AsyncEngine, stack: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SubscriptionPanel]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    limits = {"admin_support_limit": {"RUB": 1_000}, "admin_approval_above": {"RUB": 30_000}}
    async with serving(postgres_url=url, kafka_url=stack["urls"]["kafka"], **limits) as world:
        panel = SubscriptionPanel(world, database)
        world.accounts.person = panel.person
        monkeypatch.setattr("admin.subscriptions.pages.send_command", panel.send_subscription)
        monkeypatch.setattr("admin.approvals.subscriptions.send_command", panel.send_subscription)
        with_trail(panel)
        panel.become("anna")
        yield panel


def refunds(panel: SubscriptionPanel) -> list[int | None]:
    sent = [decode_envelope(bytes(o.value)).open() for o in panel.outbox.published]
    return [message.amount for message in sent if isinstance(message, RefundPayment)]


async def test_the_end_of_a_subscription_above_the_limit_waits_for_a_second_person(shop: SubscriptionPanel) -> None:
    s = await shop.a_subscription()
    status, page = await shop.subscription_form(s, "end", reason="asked", refund="FULL")
    assert (status, "A second person has to approve" in page) == (200, True)
    status, page = await shop.subscription_confirmed(s, "end", page)
    assert (status, "Waits for a second person" in page) == (200, True)
    assert shop.asked_of == []
    assert await shop.subscription(s.id) == s
    id = await the_request(shop)
    assert f'href="/approvals/{id}"' in await shop.get(f"/subscriptions/{s.id}")
    shop.become("boris")
    assert "Cancel now" in await shop.get("/approvals")
    page = await shop.get(f"/approvals/{id}")
    assert "Approve and send" in page
    assert f'href="/subscriptions/{s.id}"' in page
    status, page = await decides(shop, "approve", id)
    assert (status, "Carried out" in page) == (200, True)
    ((command, operator),) = shop.asked_of
    ((stored,),) = await shop.rows("SELECT command FROM approvals")
    assert operator == "anna@cinema.example"
    assert command.approval is not None
    assert (command.approval.id, command.approval.approved_by) == (id, "boris@cinema.example")
    assert msgspec.json.encode(msgspec.structs.replace(command, approval=None)) == bytes(stored)
    assert refunds(shop) == [39_900]
    assert (await shop.subscription(s.id)).status is Status.ENDED
    trail = "SELECT kind, detail ->> 'asked', detail ->> 'operator' FROM staff_trail WHERE detail ->> 'approval' IS NOT NULL"
    assert await shop.rows(f"{trail} ORDER BY id") == [
        ("approval", "asked", None), ("approval", "approved", None), ("command", None, "anna@cinema.example"),
    ]  # fmt: skip
    ((journalled,),) = await shop.rows(
        "SELECT message -> 'data' -> 'approval' ->> 'approved_by' FROM journal"
        " WHERE message -> 'data' ->> 'approval' IS NOT NULL"
    )
    assert journalled == "boris@cinema.example"


async def test_a_form_that_is_sent_twice_asks_once(shop: SubscriptionPanel) -> None:
    s = await shop.a_subscription()
    _, page = await shop.subscription_form(s, "end", reason="asked", refund="FULL")
    for _ in range(2):
        assert (await shop.subscription_confirmed(s, "end", page))[0] == 200
    await the_request(shop)
    assert await shop.rows("SELECT count(*) FROM staff_trail WHERE kind = 'approval'") == [(1,)]


async def test_approvals_of_a_subscription_that_are_none_are_refused_and_on_the_trail(shop: SubscriptionPanel) -> None:
    s = await shop.a_subscription()
    await shop.act_on(s, "end", reason="asked", refund="FULL")
    id = await the_request(shop)
    assert (await decides(shop, "approve", id))[0] == 409, "nobody approves their own request"
    shop.become("sam", Role.SUPPORT)
    assert (await decides(shop, "approve", id))[0] == 403
    shop.become("boris")
    assert (await decides(shop, "send", id))[0] == 409, "it is not approved"
    await expires(shop, id)
    assert (await decides(shop, "approve", id))[0] == 409
    await changed(shop, "UPDATE approvals SET expires_at = now() + interval '1 day'")
    assert (await decides(shop, "refuse", id, reason="too much"))[0] == 303
    for what in ("approve", "send", "refuse"):
        assert (await decides(shop, what, id, reason="again"))[0] == 409, what
    assert shop.asked_of == []
    assert await shop.subscription(s.id) == s
    assert await refusals(shop) == [
        ("anna", "one's own"), ("boris", "not approved"), ("boris", "decided or expired"), ("boris", "decided or expired"),
        ("boris", "not approved"), ("boris", "decided or expired"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "forgery", ["amount = amount - 1", "subscription_id = (SELECT id FROM subscriptions WHERE id <> subscription_id)"]
)
async def test_a_request_with_a_changed_amount_or_subject_is_not_approved(
    shop: SubscriptionPanel, forgery: str
) -> None:
    s, _ = await shop.a_subscription("c-1"), await shop.a_subscription("c-2")
    await shop.act_on(s, "end", reason="asked", refund="FULL")
    id = await the_request(shop)
    await changed(shop, f"UPDATE approvals SET {forgery}")
    shop.become("boris")
    assert "has changed since" in await shop.get(f"/approvals/{id}")
    assert (await decides(shop, "approve", id))[0] == 409
    assert shop.asked_of == []
    assert await refusals(shop) == [("boris", "changed")]


async def test_a_subscription_that_changed_meanwhile_is_asked_about_anew(shop: SubscriptionPanel) -> None:
    s = await shop.a_subscription()
    await shop.act_on(s, "end", reason="asked", refund="FULL")
    id = await the_request(shop)
    await shop.deliver(CancelSubscription(s.id, command_id=uuid4()))
    shop.become("boris")
    page = await shop.get(f"/approvals/{id}")
    assert "The subscription has changed since this was asked for." in page
    assert "Approve and send" not in page
    status, page = await decides(shop, "approve", id)
    assert (status, "has changed since" in page) == (409, True)
    assert refunds(shop) == []


async def test_a_share_of_the_time_that_is_left_gets_less_while_the_request_waits(shop: SubscriptionPanel) -> None:
    s = await shop.a_subscription()
    await shop.act_on(s, "end", reason="asked", refund="PRORATED")
    id = await the_request(shop)
    ((asked,),) = await shop.rows("SELECT amount FROM approvals")
    # As if it had been asked for a minute ago.
    await changed(shop, f"UPDATE approvals SET amount = {asked + 5}, preview = convert_to(replace(convert_from("
                        f"preview, 'UTF8'), '\"refunded\":{asked}', '\"refunded\":{asked + 5}'), 'UTF8')")  # fmt: skip
    shop.become("boris")
    page = await shop.get(f"/approvals/{id}")
    assert "What is given back gets less" in page
    assert (await decides(shop, "approve", id))[0] == 200
    (back,) = refunds(shop)
    assert back is not None
    assert 30_000 < back <= asked


async def test_an_approved_end_that_did_not_reach_kafka_can_be_sent_again(
    shop: SubscriptionPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = await shop.a_subscription()
    await shop.act_on(s, "end", reason="asked", refund="FULL")
    id = await the_request(shop)
    shop.become("boris")

    async def lost(*_: Any) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as cut:
        cut.setattr("admin.approvals.subscriptions.send_command", lost)
        assert (await decides(shop, "approve", id))[0] >= 500
    assert "not sent" in await shop.get(f"/approvals/{id}")
    assert (await decides(shop, "send", id))[0] == 200
    assert refunds(shop) == [39_900]
    assert "Nothing waits" in await shop.get("/approvals")


async def test_a_charge_under_way_is_approved_by_a_second_person_too(shop: SubscriptionPanel) -> None:
    shop.now = utc_now() - timedelta(days=33)
    s = await shop.a_subscription()
    await shop.charged(s.id)
    _, page = await shop.act_on(await shop.subscription(s.id), "end", reason="asked", refund="NONE")
    assert "Waits for a second person" in page
    id = await the_request(shop)
    shop.become("boris")
    assert "the charge under way" in await shop.get(f"/approvals/{id}")
    assert (await decides(shop, "approve", id))[0] == 200
    assert (await shop.subscription(s.id)).status is Status.ENDED


async def test_of_people_who_approve_the_end_at_once_one_does(shop: SubscriptionPanel) -> None:
    s = await shop.a_subscription()
    await shop.act_on(s, "end", reason="asked", refund="FULL")
    id = await the_request(shop)
    answers = await at_once(shop, id, ("boris", "approve"), ("kim", "approve"), ("carla", "approve"))
    assert sorted(answers) == [200, 409, 409]
    assert len(shop.asked_of) == 1
    assert refunds(shop) == [39_900]
    assert await shop.rows("SELECT count(*) FROM staff_trail WHERE detail ->> 'asked' = 'approved'") == [(1,)]


async def test_another_name_on_the_request_does_not_let_one_approve_one_s_own(shop: SubscriptionPanel) -> None:
    s = await shop.a_subscription()
    await shop.act_on(s, "end", reason="asked", refund="FULL")
    id = await the_request(shop)
    await changed(shop, "UPDATE approvals SET requested_by = 'kim@cinema.example'")
    status, page = await decides(shop, "approve", id)
    assert (status, "approval_invalid" in page) == (409, True)
    assert await shop.subscription(s.id) == s


async def test_a_form_that_is_sent_again_asks_for_nothing_else(shop: SubscriptionPanel) -> None:
    s = await shop.a_subscription()
    fields = {"key": str(uuid4()), "reason": "asked", "refund": "FULL", "if_version": str(s.version)}
    confirm = f"/subscriptions/{s.id}/end/confirm"
    assert (await shop.world.post(confirm, fields)).status == 200
    answer = await shop.world.post(confirm, fields | {"refund": "PRORATED"})
    page = await answer.text()
    assert (answer.status, "Something else was asked for with this form before" in page) == (422, True)
    assert fields["key"] not in page, "the form that is shown can be sent"
    assert await shop.rows("SELECT amount FROM approvals") == [(39_900,)]
    id = await the_request(shop)
    assert (await decides(shop, "refuse", id, reason="too much"))[0] == 303
    answer = await shop.world.post(confirm, fields)
    assert (answer.status, answer.headers["Location"]) == (303, f"/approvals/{id}"), "it does not wait any more"
    assert shop.asked_of == []


async def test_a_preview_of_what_changed_meanwhile_says_that_it_needs_a_second_person(shop: SubscriptionPanel) -> None:
    s = await shop.a_subscription()
    _, page = await shop.subscription_form(s, "end", reason="asked", refund="FULL")
    await shop.deliver(CancelSubscription(s.id, command_id=uuid4()))
    status, page = await shop.subscription_confirmed(s, "end", page)
    assert (status, "A second person has to approve" in page, "Ask for approval" in page) == (409, True, True)
    assert await shop.rows("SELECT id FROM approvals") == []
