"""What the payments agent keeps for clearing, on a real Postgres: aliases, how an end was learnt, lines of statements."""

from datetime import timedelta
from uuid import uuid4

import pytest

from billing.messages import (
    CorrectPayment,
    Observation,
    ProviderResult,
    RecordChargeback,
    RecordMovement,
    RefundPayment,
    UndoRefund,
)
from billing.payments.model import Payment
from billing.vocabulary import Action, LearntBy, OperationStatus, OperationType, Outcome, PaymentStatus
from storage.payments.references import find_payments
from storage.streams.backlog import contradicted_payments
from tests.support.factories import NOW, a_create, a_payment, opened, performed, shown, told
from tests.support.streams import World

AT = NOW - timedelta(minutes=3)


@pytest.fixture
async def world(database) -> World:
    return World(database)


async def a_paid_payment(world: World, **seen: object) -> Payment:
    create = a_create()
    payment = a_payment(payment_id=create.payment_id, order=create.order)
    agent = await world.agent()
    await world.deliver(agent, create, opened(payment), shown(payment, PaymentStatus.CAPTURED, **seen))
    return await world.payment(payment.id)


async def found(world: World, provider: str, *references: str) -> dict[str, object]:
    async with world.engine.connect() as connection:
        return dict(await find_payments(connection, provider, references))


async def test_a_payment_is_found_by_the_other_ids_that_its_provider_told(world):
    payment = await a_paid_payment(world, aliases=("pi_1", "ch_1"))
    name = payment.provider
    assert await found(world, name, "pi_1", "ch_1", "re_1") == {"pi_1": payment.id, "ch_1": payment.id}
    assert await found(world, "another", "pi_1") == {}


async def test_an_alias_that_is_told_again_changes_nothing_and_stays_with_its_payment(world):
    first = await a_paid_payment(world, aliases=("pi_1",))
    agent = await world.agent()
    await world.deliver(agent, shown(first, PaymentStatus.CAPTURED, aliases=("pi_1", "re_1")))
    second = await a_paid_payment(world, aliases=("pi_1",))
    assert second.id != first.id
    assert await found(world, first.provider, "pi_1", "re_1") == {"pi_1": first.id, "re_1": first.id}
    assert world.publisher.dead_letters.written == []


async def ended(world: World, payment: Payment) -> dict[OperationType, tuple[LearntBy | None, object]]:
    stored = await world.payment(payment.id)
    return {o.type: (o.learnt_by, o.occurred_at) for o in stored.operations}


async def test_how_an_end_was_learnt_is_kept_with_the_providers_time(world):
    create = a_create()
    payment = a_payment(payment_id=create.payment_id, order=create.order)
    agent = await world.agent()
    await world.deliver(agent, create, opened(payment))
    assert await ended(world, payment) == {OperationType.AUTHORIZE: (None, None)}
    await world.deliver(agent, told(payment, PaymentStatus.AUTHORIZED, at=AT))
    await world.deliver(agent, shown(payment, PaymentStatus.CAPTURED, at=NOW))
    key = uuid4()
    await world.deliver(agent, RefundPayment(payment.id, key, "asked", 1_000))
    await world.deliver(agent, performed(await world.payment(payment.id), key, Outcome.SUCCEEDED))
    line = RecordChargeback(payment.id, payment.provider, "line-1", "dispute-1", 500, at=AT)
    await world.deliver(agent, line)
    assert await ended(world, payment) == {
        OperationType.AUTHORIZE: (LearntBy.CALLBACK, AT),
        OperationType.CAPTURE: (LearntBy.INQUIRY, NOW),
        OperationType.REFUND: (LearntBy.ANSWER, None),
        OperationType.CHARGEBACK: (LearntBy.STATEMENT, AT),
    }
    await world.deliver(agent, CorrectPayment(payment.id, uuid4(), key, False, "Olga", "console"))
    assert (await ended(world, payment))[OperationType.REFUND] == (LearntBy.OPERATOR, None)


async def test_lines_of_a_statement_are_booked_once_and_refusals_are_journalled(world):
    payment = await a_paid_payment(world)
    agent = await world.agent()
    key = uuid4()
    await world.deliver(agent, RefundPayment(payment.id, key, "asked", 1_000))
    await world.deliver(agent, performed(await world.payment(payment.id), key, Outcome.SUCCEEDED))
    name = payment.provider
    lines = (
        RecordChargeback(payment.id, name, "a", "dispute-1", 2_000),
        RecordChargeback(payment.id, name, "b", "dispute-1", 500, undone=True),
        RecordMovement(payment.id, name, "c", "REFUND", 300, "Olga", "console", "re-9"),
        UndoRefund(payment.id, name, "d", key, 1_000),
        RecordChargeback(payment.id, name, "e", "dispute-2", payment.captured),
    )
    await world.deliver(agent, *lines)
    await world.deliver(agent, *lines)
    stored = await world.payment(payment.id)
    assert (stored.charged_back, stored.refunded, stored.status) == (1_500, 300, PaymentStatus.PARTIALLY_REFUNDED)
    undone = stored.operation(key)
    assert undone is not None
    assert undone.status is OperationStatus.FAIL
    assert await world.rows(
        "SELECT account, sum(amount)::bigint FROM ledger_entries WHERE account <> 'revenue' GROUP BY 1 ORDER BY 1"
    ) == [("chargebacks", 1_500), (f"clearing:{name}", payment.captured - 1_800), ("refunds", 300)]
    assert await world.rows(
        "SELECT refusal ->> 'code', count(*) FROM journal WHERE refusal IS NOT NULL GROUP BY 1"
    ) == [("movement_impossible", 2)]
    assert world.publisher.dead_letters.written == []


async def test_a_question_under_way_is_known_after_a_restart(world):
    payment = await a_paid_payment(world)
    asked = ProviderResult(
        payment.id,
        payment.charge.id,
        payment.provider,
        Action.INQUIRE,
        Outcome.SUCCEEDED,
        observed=Observation(PaymentStatus.CAPTURED, captured=payment.captured - 1),
    )
    await world.deliver(await world.agent(), asked)
    stored = await world.payment(payment.id)
    assert stored.contradiction is not None
    async with world.engine.connect() as connection:
        assert await contradicted_payments(connection) == {payment.provider: 1}
    assert stored.charge.asked_at is None
    await world.deliver(await world.agent(), told(payment, PaymentStatus.FAILED))
    assert (await world.payment(payment.id)).charge.asked_at is not None
