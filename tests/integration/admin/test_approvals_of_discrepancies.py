"""A second person approves what is written off or accepted; forged approvals are refused, and on the trail."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.formatting import money
from billing.access.roles import Role
from billing.clearing.discrepancies import Kind
from tests.support.approvals import at_once, changed, decides, expires, refusals, the_request, with_trail
from tests.support.clearing_panel import ClearingPanel
from tests.unit.admin.conftest import serving


@pytest.fixture
async def books(database: AsyncEngine, stack: dict[str, Any]) -> AsyncIterator[ClearingPanel]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with serving(postgres_url=url, kafka_url=stack["urls"]["kafka"]) as world:
        panel = ClearingPanel(world, database)
        world.accounts.person = panel.person
        with_trail(panel)
        panel.become("anna")
        yield panel


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


async def test_of_people_who_approve_at_once_one_does(books: ClearingPanel) -> None:
    (large,) = await books.found(theirs=100_001)
    await books.decide(large, "resolve", resolution="written_off")
    id = await the_request(books)
    answers = await at_once(
        books, id, ("boris", "approve"), ("boris", "approve"), ("kim", "approve"), ("carla", "approve")
    )
    assert sorted(answers) == [303, 409, 409, 409]
    assert await books.state(large) == ("CLOSED", 2)
    assert await books.rows("SELECT count(*) FROM staff_trail WHERE detail ->> 'asked' = 'approved'") == [(1,)]
    assert await books.rows("SELECT count(*) FROM staff_trail WHERE kind = 'command'") == [(1,)]


async def test_what_is_refused_while_it_is_approved_is_done_whole_or_not_at_all(books: ClearingPanel) -> None:
    (large,) = await books.found(theirs=100_001)
    await books.decide(large, "resolve", resolution="written_off")
    id = await the_request(books)
    answers = await at_once(books, id, ("boris", "approve"), ("kim", "refuse"))
    assert sorted(answers) == [303, 409]
    ((decision,),) = await books.rows("SELECT decision FROM approvals")
    assert await books.state(large) == (("CLOSED", 2) if decision == "approved" else ("PERSON", 1))


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
    monkeypatch.setattr("admin.approvals.final_decisions.FinalDecisions.is_same", lambda *_: True)
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


@pytest.mark.parametrize("kind", [Kind.UNCLASSIFIED_LINE, Kind.LINE_CHANGED])
async def test_an_acceptance_above_the_limit_is_made_by_two_people(books: ClearingPanel, kind: Kind) -> None:
    (id_small,) = await books.found(kind=kind, theirs=100_000)
    assert (await books.decide(id_small, "resolve", resolution="accepted"))[0] == 303
    assert await books.state(id_small) == ("CLOSED", 2)
    (large,) = await books.found(kind=kind, theirs=100_001)
    assert "or to accept it, a second person has to approve" in await books.get(f"/discrepancies/{large}")
    status, page = await books.decide(large, "resolve", resolution="accepted")
    assert (status, "Waits for a second person" in page) == (200, True)
    id = await the_request(books)
    books.become("boris")
    assert "Approve and accept" in await books.get(f"/approvals/{id}")
    assert (await decides(books, "approve", id))[0] == 303
    assert await books.rows(f"SELECT state, resolution FROM discrepancies WHERE id = '{large}'") == [
        ("CLOSED", "accepted")
    ]


async def test_what_cannot_be_accepted_cannot_be_asked_for(books: ClearingPanel) -> None:
    (large,) = await books.found(theirs=100_001)
    status, page = await books.decide(large, "resolve", resolution="accepted")
    assert (status, "only written off" in page) == (409, True)
    assert await books.rows("SELECT id FROM approvals") == []


async def test_of_two_requests_about_a_discrepancy_one_is_carried_out(books: ClearingPanel) -> None:
    (large,) = await books.found(theirs=100_001)
    await books.decide(large, "resolve", resolution="written_off")
    first = await the_request(books)
    books.become("kim")
    await books.decide(large, "resolve", resolution="written_off")
    ((second,),) = await books.rows(f"SELECT id FROM approvals WHERE id <> '{first}'")
    books.become("boris")
    assert (await decides(books, "approve", first))[0] == 303
    status, page = await decides(books, "approve", second)
    assert (status, "has changed since" in page) == (409, True)
    assert await books.state(large) == ("CLOSED", 2)


async def test_another_name_on_the_request_does_not_let_one_approve_one_s_own(books: ClearingPanel) -> None:
    (large,) = await books.found(theirs=100_001)
    await books.decide(large, "resolve", resolution="written_off")
    id = await the_request(books)
    await changed(books, "UPDATE approvals SET requested_by = 'kim@cinema.example'")
    status, page = await decides(books, "approve", id)
    assert (status, "not of another person than the one who asks" in page) == (409, True)
    assert await books.state(large) == ("PERSON", 1)
    assert await books.rows("SELECT decision FROM approvals") == [(None,)]


async def test_a_form_that_is_sent_again_asks_for_nothing_else(books: ClearingPanel) -> None:
    (large,) = await books.found(theirs=100_001)
    form = {"resolution": "written_off", "key": str(uuid4()), "version": "1"}
    for _ in range(2):
        status, page = await books.decide(large, "resolve", **form)
        assert (status, "Waits for a second person" in page) == (200, True)
    status, page = await books.decide(large, "resolve", **form, reason="another reason")
    assert (status, "Something else was asked for with this form before" in page) == (422, True)
    assert form["key"] not in page, "the form that is shown can be sent"
    assert await books.rows("SELECT reason FROM approvals") == [("the provider's letter",)]
    id = await the_request(books)
    assert (await decides(books, "refuse", id, reason="too much"))[0] == 303
    answer = await books.world.post(f"/discrepancies/{large}/resolve", form | {"reason": "the provider's letter"})
    assert (answer.status, answer.headers["Location"]) == (303, f"/approvals/{id}"), "it does not wait any more"
