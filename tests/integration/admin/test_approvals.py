"""A second person approves what ends a subscription and what is written off; forged approvals are refused, and on the
trail."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.formatting import money
from billing.access.roles import Role
from billing.clearing.discrepancies import Kind
from billing.messages import RefundPayment, decode_envelope
from billing.messages.subscription_commands import CancelSubscription
from billing.subscriptions.vocabulary import Status
from runtime.clock import utc_now
from tests.support.approvals import changed, decides, expires, refusals, the_request, with_trail
from tests.support.clearing_panel import ClearingPanel
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


@pytest.fixture
async def books(database: AsyncEngine, stack: dict[str, Any]) -> AsyncIterator[ClearingPanel]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with serving(postgres_url=url, kafka_url=stack["urls"]["kafka"]) as world:
        panel = ClearingPanel(world, database)
        world.accounts.person = panel.person
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


async def test_a_write_off_above_the_limit_is_made_by_two_people(books: ClearingPanel) -> None:
    _, small = await books.a_cleared_day()
    (large,) = await books.found(theirs=100_001)
    assert "a second person has to approve" in await books.get(f"/discrepancies/{large}")
    assert "a second person has to approve" not in await books.get(f"/discrepancies/{small}")
    status, page = await books.decide(large, "resolve", resolution="written_off")
    assert (status, "Waits for a second person" in page) == (200, True)
    assert await books.state(large) == ("PERSON", 1)
    id = await the_request(books)
    assert f'href="/approvals/{id}"' in await books.get(f"/discrepancies/{large}")
    books.become("boris")
    assert "Write off" in await books.get("/approvals")
    page = await books.get(f"/approvals/{id}")
    for said in ("Unknown payment", "Our books", "s statement", money(100_001, "RUB"), "Approve and write off"):
        assert said in page, said
    assert (await decides(books, "approve", id))[0] == 303
    assert await books.state(large) == ("CLOSED", 2)
    ((actor, reason, evidence),) = await books.rows(
        f"SELECT actor, reason, evidence FROM discrepancy_events WHERE discrepancy_id = '{large}' AND version = 2"
    )
    assert actor == "operator:anna@cinema.example"
    assert reason == "the provider's letter (approved by boris@cinema.example)"
    assert (evidence["approval"]["id"], evidence["approval"]["approved_by"]) == (str(id), "boris@cinema.example")
    assert await books.rows("SELECT decision, decided_by, sent_at IS NOT NULL FROM approvals") == [
        ("approved", "boris@cinema.example", True)
    ]
    trail = f"SELECT who, kind, detail ->> 'asked', detail ->> 'operator' FROM staff_trail WHERE subject_id = '{large}'"
    assert await books.rows(f"{trail} AND kind <> 'view' ORDER BY id") == [
        ("anna@cinema.example", "approval", "asked", None),
        ("boris@cinema.example", "approval", "approved", None),
        ("boris@cinema.example", "command", None, "anna@cinema.example"),
    ]
    ((action,),) = await books.rows("SELECT actor FROM operator_actions WHERE action = 'settle_discrepancy'")
    assert action == "anna@cinema.example"


async def test_approvals_of_a_write_off_that_are_none_are_refused_and_on_the_trail(books: ClearingPanel) -> None:
    (large,) = await books.found(theirs=100_001)
    await books.decide(large, "resolve", resolution="written_off")
    id = await the_request(books)
    assert (await decides(books, "approve", id))[0] == 409, "nobody approves their own request"
    for name, role in (("sam", Role.SUPPORT), ("victor", Role.VIEWER)):
        books.become(name, role)
        assert (await decides(books, "approve", id))[0] == 403
    books.become("boris")
    assert (await decides(books, "send", id))[0] == 409
    await expires(books, id)
    assert (await decides(books, "approve", id))[0] == 409
    await changed(books, "UPDATE approvals SET expires_at = now() + interval '1 day', amount = 1")
    assert (await decides(books, "approve", id))[0] == 409, "the amount is another"
    (other,) = await books.found(theirs=100_001)
    await changed(books, f"UPDATE approvals SET amount = 100001, discrepancy_id = '{other}'")
    assert (await decides(books, "approve", id))[0] == 409, "it is of another discrepancy"
    await changed(books, f"UPDATE approvals SET discrepancy_id = '{large}'")
    assert [await books.state(one) for one in (large, other)] == [("PERSON", 1)] * 2
    assert (await decides(books, "approve", id))[0] == 303
    for what in ("approve", "send"):
        assert (await decides(books, what, id))[0] == 409, what
    assert await books.state(large) == ("CLOSED", 2)
    assert await refusals(books) == [
        ("anna", "one's own"), ("boris", "not approved"), ("boris", "decided or expired"), ("boris", "changed"),
        ("boris", "changed"), ("boris", "decided or expired"), ("boris", "nothing to send"),
    ]  # fmt: skip


async def test_of_two_people_who_approve_at_once_one_does(books: ClearingPanel) -> None:
    (large,) = await books.found(theirs=100_001)
    await books.decide(large, "resolve", resolution="written_off")
    id = await the_request(books)
    books.become("boris")
    answers = await asyncio.gather(*(decides(books, "approve", id) for _ in range(4)))
    assert sorted(status for status, _ in answers) == [303, 409, 409, 409]
    assert await books.state(large) == ("CLOSED", 2)
    assert await books.rows("SELECT count(*) FROM staff_trail WHERE detail ->> 'asked' = 'approved'") == [(1,)]


@pytest.mark.parametrize("what", ["claim", "resolve"])
async def test_a_discrepancy_that_changed_or_closed_meanwhile_is_not_written_off(
    books: ClearingPanel, what: str
) -> None:
    (large,) = await books.found(theirs=100_001)
    await books.decide(large, "resolve", resolution="written_off")
    id = await the_request(books)
    books.become("boris")
    await books.decide(large, what, resolution="not_ours")
    after = await books.state(large)
    page = await books.get(f"/approvals/{id}")
    assert "The discrepancy has changed since this was asked for, or is closed." in page
    assert "Approve and write off" not in page
    status, page = await decides(books, "approve", id)
    assert (status, "has changed since" in page) == (409, True)
    assert await books.state(large) == after
    assert (await decides(books, "refuse", id, reason="it changed"))[0] == 303


async def test_a_discrepancy_that_changes_while_it_is_approved_is_not_written_off(
    books: ClearingPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    (large,) = await books.found(theirs=100_001)
    await books.decide(large, "resolve", resolution="written_off")
    id = await the_request(books)
    await books.decide(large, "claim")
    books.become("boris")
    monkeypatch.setattr("admin.approvals.write_offs.WriteOffs.is_same", lambda *_: True)
    status, page = await decides(books, "approve", id)
    assert (status, "has changed since" in page) == (409, True)
    assert await books.state(large) == ("PERSON", 2)
    assert await books.rows("SELECT decision FROM approvals") == [(None,)]


async def test_of_a_fee_the_contract_s_side_counts_for_the_limit(books: ClearingPanel) -> None:
    detail = {"line": "l", "currency": "RUB", "fee": 250_000, "by_contract": 100_000}
    (fee,) = await books.found(kind=Kind.FEE_DIFFERS, currency=None, theirs=None, detail=detail)
    status, page = await books.decide(fee, "resolve", resolution="written_off")
    assert (status, "Waits for a second person" in page) == (200, True)
    id = await the_request(books)
    books.become("boris")
    assert (await decides(books, "approve", id))[0] == 303
    assert (await books.state(fee))[0] == "CLOSED"
