"""What a person gave back within a day, by the trail; decisions on requests of every subject, each made once."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from storage.approvals import APPROVED, REFUSED, Request, about, ask, decide, given_back
from storage.staff import trail
from storage.staff.trail import Entry, Kind
from tests.support.factories import NOW

ANNA, BORIS = UUID(int=1), UUID(int=2)
#: The trigger that chains the rows sees each of them before the next.
OTHERS = text(
    """
    INSERT INTO staff_trail (at, staff_id, who, kind, subject_kind, subject_id, detail)
    SELECT CAST(:at AS timestamptz), :staff, 'anna@cinema.example', :kind, 'payment', 'p', '{"gives_back": false}'
    FROM generate_series(1, 5001)
    """
)


def a_refund(message: str, amount: int, **changes: Any) -> Entry:
    detail = {"message": message, "amount": amount, "currency": "RUB", "gives_back": True} | changes.pop("detail", {})
    values = {
        "at": NOW, "staff_id": ANNA, "who": "anna@cinema.example", "kind": Kind.COMMAND, "subject_kind": "payment",
        "subject_id": "p",
    }  # fmt: skip
    return Entry(**(values | changes), detail=detail)


async def record(database: Any, *entries: Entry) -> None:
    async with database.begin() as connection:
        for entry in entries:
            await trail.record(connection, entry)


async def sum_of_anna(database: Any) -> int:
    async with database.connect() as connection:
        return await given_back(connection, ANNA, "RUB", NOW - timedelta(hours=24))


async def test_what_was_given_back_is_added_up_once_per_command(database: Any) -> None:
    await record(
        database,
        a_refund("a", 100),
        a_refund("a", 100),
        a_refund("b", 20),
        a_refund("c", 1, at=NOW - timedelta(hours=25)),
        a_refund("d", 2, staff_id=BORIS),
        a_refund("e", 3, kind=Kind.PREVIEW),
        a_refund("f", 4, detail={"currency": "USD"}),
        a_refund("g", 5, detail={"gives_back": False}),
    )
    assert await sum_of_anna(database) == 120


@pytest.mark.parametrize("kind", [Kind.VIEW, Kind.COMMAND])
async def test_the_sum_stays_however_much_the_person_does_afterwards(database: Any, kind: Kind) -> None:
    await record(database, a_refund("a", 100), a_refund("b", 20))
    async with database.begin() as connection:
        await connection.execute(OTHERS, {"at": NOW, "staff": ANNA, "kind": kind})
    assert await sum_of_anna(database) == 120


def a_request(**subject: Any) -> Request:
    return Request(
        id=uuid4(), action="end", type="t", command=b"{}", preview=b"{}", amount=39_900, currency="RUB", cause="large",
        requested_by="anna", reason="asked", requested_at=NOW, expires_at=NOW + timedelta(days=1), **subject,
    )  # fmt: skip


@pytest.mark.parametrize("subject", ["subscription_id", "discrepancy_id"])
async def test_a_request_is_decided_once_in_time_and_by_another_person(database: Any, subject: str) -> None:
    request = a_request(**{subject: uuid4()})
    async with database.begin() as connection:
        assert await ask(connection, request)
        assert not await ask(connection, request), "a double click"
        late = NOW + timedelta(days=1)
        for decision, by, at in ((APPROVED, "anna", NOW), (APPROVED, "boris", late), (REFUSED, "boris", late)):
            assert not await decide(connection, request.id, decision, by, "", at), (decision, by)
        assert await decide(connection, request.id, APPROVED, "boris", "", NOW)
        for decision in (APPROVED, REFUSED):
            assert not await decide(connection, request.id, decision, "kim", "", NOW)
        (found,) = await about(connection, request.subject_id)
    assert (found.id, found.decision, found.decided_by) == (request.id, APPROVED, "boris")


@pytest.mark.parametrize(
    "subjects",
    [
        {},
        {"subscription_id": UUID(int=1), "discrepancy_id": UUID(int=2)},
        {"subscription_id": UUID(int=1), "bulk_job": UUID(int=2)},
    ],
)
async def test_a_request_is_of_one_subject(database: Any, subjects: dict[str, UUID]) -> None:
    with pytest.raises(IntegrityError, match="approval_of_one"):
        async with database.begin() as connection:
            await ask(connection, a_request(**subjects))
