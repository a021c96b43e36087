"""The comparison in Postgres finds what a plain one in Python finds, whatever the order of lines and pages."""

from random import Random
from typing import Any
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import text

from billing.clearing.discrepancies import Kind
from billing.payments.model import Payment
from providers.statements import LineKind, StatementLine
from storage.processes.locks import Lock, writing
from tests.support.clearing import DAY, Cleared, charge, line
from tests.support.factories import PROVIDER

HOW = ("agrees", "agrees", "missing", "more", "twice", "foreign", "split")


def lines_of(moved: StatementLine, how: str) -> list[StatementLine]:
    """The lines of a movement."""
    again = msgspec.structs.replace(moved, line_ref=str(uuid4()))
    match how:
        case "missing":
            return []
        case "more":
            return [msgspec.structs.replace(moved, amount=moved.amount + 1)]
        case "twice":
            return [moved, again]
        case "foreign":
            return [msgspec.structs.replace(moved, currency="USD")]
        case "split":
            return [
                msgspec.structs.replace(moved, amount=moved.amount - 7),
                msgspec.structs.replace(again, amount=7),
            ]
        case _:
            return [moved]


def reference(ours: dict[UUID, int], lines: list[StatementLine]) -> dict[str, Kind]:
    """Subject → kind: sums per operation against the books, one after the other."""
    found: dict[str, Kind] = {}
    for operation, amount in ours.items():
        theirs = [one for one in lines if one.own_id == operation]
        total = sum(one.amount for one in theirs)
        subject = f"operation:{operation}"
        if not theirs:
            found[subject] = Kind.LATE
        elif any(one.currency != "RUB" for one in theirs):
            found[subject] = Kind.CURRENCY_DIFFERS
        elif total == amount:
            continue
        elif len(theirs) > 1 and total == amount * len(theirs):
            found[subject] = Kind.TAKEN_TWICE
        else:
            found[subject] = Kind.AMOUNT_DIFFERS
    for one in lines:
        if one.own_id not in ours:
            subject = f"line:{DAY}:{one.line_ref}#1"
            found[subject] = Kind.UNCLASSIFIED_LINE if one.kind is LineKind.OTHER else Kind.UNKNOWN_PAYMENT
    return found


async def test_random_statements_get_the_names_of_the_reference(database: Any) -> None:
    world = Cleared(database)
    payments: list[Payment] = await world.paid(8)
    movements = [charge(payment) for payment in payments]
    for payment in payments[:3]:
        refund = await world.refund(payment, 100)
        movements.append(line(LineKind.REFUND, -100, own_id=refund))
    charges = {
        charge.own_id: operation
        for charge, payment in zip(movements, payments, strict=False)
        for operation in [next(o.id for o in payment.operations if o.type == "CAPTURE")]
    }
    movements = [msgspec.structs.replace(m, own_id=charges.get(m.own_id, m.own_id)) for m in movements]
    ours = {m.own_id: m.amount for m in movements if m.own_id is not None}
    for seed in range(40):
        chance = Random(seed)
        lines = [one for moved in movements for one in lines_of(moved, chance.choice(HOW))]
        lines += [line(LineKind.CHARGE, 5, own_id=uuid4()) for _ in range(chance.randrange(3))]
        lines += [line(LineKind.OTHER, 5, raw_type="Mystery") for _ in range(chance.randrange(3))]
        expected = reference(ours, lines)
        for _ in range(2):
            chance.shuffle(lines)
            assert await found(world, lines) == expected, seed


async def found(world: Cleared, lines: list[StatementLine]) -> dict[str, str]:
    """Subject → kind of what a run finds; nothing of it stays."""
    world.has(*lines)
    async with writing(world.engine, Lock.CLEARING, PROVIDER) as connection:
        assert connection is not None
        transaction = await connection.begin()
        await world.on(connection, DAY).run()
        rows = await connection.execute(text("SELECT subject, kind FROM discrepancies WHERE state <> 'CLOSED'"))
        kinds = {row.subject: row.kind for row in rows}
        await transaction.rollback()
    return kinds
