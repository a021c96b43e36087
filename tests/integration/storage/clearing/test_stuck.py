"""What is stuck, found in Postgres: a payment for each rule, on both sides of its grace."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.clearing.stuck import RULES, Rule
from billing.messages import CapturePayment, Observation, ProviderResult, RefundPayment, VoidPayment
from billing.payments.model import Payment
from billing.vocabulary import Action, Outcome, PaymentStatus
from storage.clearing.stuck import QUESTIONS, Stuck, find_stuck
from storage.payments.save import Changes, save
from tests.support.factories import NOW, a_payment, apply, authorized, captured, later, told, unpaid

DAY = timedelta(days=1)
RULE = {rule.name: rule for rule in RULES}


async def store(engine: AsyncEngine, payment: Payment) -> Payment:
    """Write a payment without its postings."""
    operations = [(payment, operation) for operation in payment.operations]
    changes = Changes(created=[payment], payments=[payment], operations=operations, postings=[], journal=[])
    async with engine.begin() as connection:
        await save(connection, changes, [])
    return payment


def result(payment: Payment, operation: UUID, outcome: Outcome, **fields: object) -> ProviderResult:
    done = payment.operation(operation)
    assert done is not None
    return ProviderResult(payment.id, operation, done.provider, done.action, outcome, **fields)  # type: ignore[arg-type]


def commanded(payment: Payment, command: type[CapturePayment | VoidPayment | RefundPayment], *rest: object) -> Payment:
    return apply(payment, command(payment.id, uuid4(), *rest))


def unknown_charge() -> Payment:
    payment = a_payment()
    return apply(payment, result(payment, payment.charge.id, Outcome.UNKNOWN, reason="timeout"))


def not_sent_refund() -> Payment:
    payment = commanded(captured(), RefundPayment, "asked")
    return apply(payment, result(payment, payment.operations[-1].id, Outcome.NOT_SENT, reason="unreachable"))


def held_in_one_stage(**seen: object) -> Payment:
    payment = unpaid()
    return apply(payment, told(payment, PaymentStatus.AUTHORIZED, **seen))


def left_behind() -> Payment:
    """Declined at its first provider, which then turns out to hold an open order."""
    payment = a_payment(provider="yandex-pay", alternatives=("stripe",))
    first = payment.charge.id
    payment = apply(payment, result(payment, first, Outcome.DECLINED, reason="declined"))
    assert payment.provider == "stripe"
    seen = Observation(PaymentStatus.PENDING)
    asked = ProviderResult(payment.id, first, "yandex-pay", Action.INQUIRE, Outcome.SUCCEEDED, observed=seen)
    payment = apply(payment, asked)
    assert any(o.is_open and o.provider == "yandex-pay" for o in payment.operations)
    return payment


def left_and_closed() -> Payment:
    payment = left_behind()
    closing = next(o for o in payment.operations if o.is_open and o.provider == "yandex-pay")
    return apply(payment, result(payment, closing.id, Outcome.SUCCEEDED))


HOLD_S = 5 * 86_400
#: Rule → a payment that it is about, and when its age begins.
SEEDS: dict[str, tuple[Callable[[], Payment], datetime]] = {
    "unpaid": (unpaid, later(1_800)),
    "unknown": (unknown_charge, NOW),
    "not_sent": (not_sent_refund, NOW),
    "capture_follows": (lambda: held_in_one_stage(at=later(-60)), later(-60)),
    "hold_ending": (lambda: authorized(hold_s=HOLD_S), later(HOLD_S)),
    "hold_over": (lambda: authorized(hold_s=HOLD_S), later(HOLD_S)),
    "capture_open": (lambda: commanded(authorized(), CapturePayment), NOW),
    "void_open": (lambda: commanded(authorized(), VoidPayment, "asked"), NOW),
    "refund_open": (lambda: commanded(captured(), RefundPayment, "asked"), NOW),
    "left_behind": (left_behind, NOW),
}


async def found(engine: AsyncEngine, rule: Rule, now: datetime, limit: int = 10, **graces: timedelta) -> list[Stuck]:
    async with engine.connect() as connection:
        return await find_stuck(connection, rule, now, graces, limit)


async def found_by(engine: AsyncEngine, now: datetime) -> set[str]:
    return {rule.name for rule in RULES if await found(engine, rule, now)}


@pytest.mark.parametrize("name", SEEDS)
async def test_a_payment_is_stuck_from_the_age_that_its_rule_names(database, name):
    make, since = SEEDS[name]
    payment, rule = await store(database, make()), RULE[name]
    assert await found(database, rule, since + rule.grace - timedelta(seconds=1)) == []
    (stuck,) = await found(database, rule, since + rule.grace)
    assert (stuck.payment_id, stuck.since, stuck.currency) == (payment.id, since, "RUB")
    operation = payment.operation(UUID(stuck.subject))
    assert operation is not None
    assert (stuck.provider, stuck.amount) == (operation.provider, operation.amount)
    assert not rule.needs_person(stuck.since, since + rule.person_after - timedelta(seconds=1))


@pytest.mark.parametrize("name", SEEDS)
async def test_each_is_found_by_one_rule(database, name):
    make, since = SEEDS[name]
    await store(database, make())
    assert await found_by(database, since + RULE[name].grace) - ({"unpaid"} if name == "left_behind" else set()) == {
        name
    }


@pytest.mark.parametrize("name", SEEDS)
async def test_nothing_leaves_a_rule_by_age(database, name):
    make, since = SEEDS[name]
    await store(database, make())
    assert ("hold_over" if name == "hold_ending" else name) in await found_by(database, since + 400 * DAY)


@pytest.mark.parametrize("make", [captured, left_and_closed])
async def test_what_is_final_is_not_stuck(database, make):
    await store(database, make())
    assert await found_by(database, later(3 * 86_400)) <= {"unpaid"}


async def test_some_providers_have_a_longer_grace(database):
    payment = unpaid(provider="stripe")
    await store(database, payment)
    rule = RULE["unpaid"]
    longer = rule.grace + timedelta(minutes=40)
    assert await found(database, rule, payment.expires_at + rule.grace, stripe=longer) == []
    assert len(await found(database, rule, payment.expires_at + rule.grace, tbank=longer)) == 1
    assert len(await found(database, rule, payment.expires_at + longer, stripe=longer)) == 1


async def test_questions_that_are_repeated_do_not_make_an_operation_younger(database):
    payment = commanded(captured(), RefundPayment, "asked")
    refund = payment.operations[-1]
    asked = msgspec.structs.replace(refund, updated_at=later(9 * 86_400), next_follow_up_at=later(10 * 86_400))
    await store(database, msgspec.structs.replace(payment, operations=(*payment.operations[:-1], asked)))
    (stuck,) = await found(database, RULE["refund_open"], later(10 * 86_400))
    assert RULE["refund_open"].needs_person(stuck.since, later(10 * 86_400))


async def test_a_hold_ends_when_the_provider_says_so(database):
    payment = authorized(hold_s=3_600)
    asked = ProviderResult(
        payment.id,
        payment.charge.id,
        payment.provider,
        Action.INQUIRE,
        Outcome.SUCCEEDED,
        observed=Observation(PaymentStatus.AUTHORIZED, hold_until=later(7 * 86_400)),
    )
    await store(database, apply(payment, asked))
    assert await found_by(database, later(2 * 86_400)) == set()
    assert await found(database, RULE["hold_over"], later(7 * 86_400 + 3_600)) != []


async def test_a_capture_in_one_stage_of_unknown_time_ages_from_the_end_of_the_time_to_pay(database):
    payment = await store(database, held_in_one_stage())
    (stuck,) = await found(database, RULE["capture_follows"], payment.expires_at + timedelta(minutes=10))
    assert stuck.since == payment.expires_at


async def test_what_a_switched_off_provider_was_not_sent_is_not_reported(database):
    payment = await store(database, not_sent_refund())
    switch = text(
        "INSERT INTO provider_switches (provider, enabled, reason, actor, switched_at)"
        " VALUES (:provider, :enabled, 'outage', 'ann', now())"
    )
    for enabled, names in ((False, set()), (True, {"not_sent"})):
        async with database.begin() as connection:
            await connection.execute(switch, {"provider": payment.provider, "enabled": enabled})
        assert await found_by(database, later(3_600)) == names


async def test_a_callback_without_a_payment_is_stuck(database):
    async with database.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO parked_callbacks (id, provider, body, received_at, next_try_at)"
                " VALUES ('event-1', 'stripe', '', :at, :at)"
            ),
            {"at": NOW},
        )
    rule = RULE["parked_callback"]
    assert await found(database, rule, later(3_599)) == []
    assert await found(database, rule, later(3_600)) == [Stuck("stripe", None, "event-1", NOW, None, None)]
    assert await found_by(database, later(3_600)) == {"parked_callback"}


async def test_the_oldest_come_first_and_no_more_than_asked_for(database):
    times = [later(-n * 86_400) for n in (1, 3, 2)]
    for at in times:
        payment = unpaid()
        await store(database, msgspec.structs.replace(payment, expires_at=at))
    rows = await found(database, RULE["unpaid"], NOW, limit=2)
    assert [row.since for row in rows] == sorted(times)[:2]


#: A payment that is finished, as often as makes a full read of the tables dear.
FINISHED = (
    (
        "INSERT INTO orders SELECT (jsonb_populate_record(o, jsonb_build_object('id', md5(n::text)::uuid))).*"
        " FROM orders o, generate_series(1, 3000) AS n"
    ),
    (
        "INSERT INTO payments SELECT (jsonb_populate_record(p, jsonb_build_object('id', md5(n::text)::uuid,"
        " 'order_id', md5(n::text)::uuid))).* FROM payments p, generate_series(1, 3000) AS n"
    ),
    (
        "INSERT INTO operations SELECT (jsonb_populate_record(o, jsonb_build_object('id', gen_random_uuid(),"
        " 'payment_id', md5(n::text)::uuid))).* FROM operations o, generate_series(1, 3000) AS n"
    ),
)


async def test_finished_payments_are_not_read(database):
    """Each question goes by a partial index of what is not final, or by the small table of parked callbacks."""
    await store(database, captured())
    async with database.begin() as connection:
        for statement in FINISHED:
            await connection.execute(text(statement))
        for table in ("payments", "operations"):
            await connection.execute(text(f"ANALYZE {table}"))
        for name, question in QUESTIONS.items():
            values = {"now": NOW, "grace": 0.0, "grace_at": "{}", "until": None, "limit": 500}
            rows = await connection.execute(text(f"EXPLAIN {question.text}"), values)
            plan = "\n".join(row[0] for row in rows)
            assert "Seq Scan on payments" not in plan, name
            assert "Seq Scan on operations" not in plan, name
            assert name == "parked_callback" or "payments_unfinished" in plan or "operations_chase" in plan, plan
