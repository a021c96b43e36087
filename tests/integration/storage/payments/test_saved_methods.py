"""Saved methods in Postgres: saved once with the payment's decision, ended, and never revived by what is older."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import DBAPIError

from billing.subscriptions.methods import method_id
from billing.vocabulary import MethodStatus, Outcome, PaymentStatus
from storage import saved_methods
from storage.saved_methods import StoredMethod
from tests.support.factories import PROVIDER, a_create, a_payment, opened, performed, told
from tests.support.streams import Crash, Publisher, World

METHOD = method_id(PROVIDER, "customer-1", "method-7")
SAVED = {"method_ref": "method-7", "method_title": "Mir *4242", "method_expires": "2028-04"}


@pytest.fixture
async def world(database) -> World:
    return World(database)


def paid_with(**fields):
    """The messages of a payment that saves its method."""
    create = a_create(save_method=True, **fields)
    payment = a_payment(payment_id=create.payment_id, order=create.order, save_method=True)
    return create, opened(payment), told(payment, PaymentStatus.CAPTURED, **SAVED)


async def stored(database) -> StoredMethod | None:
    async with database.connect() as connection:
        return await saved_methods.method(connection, "shop", METHOD)


async def remove(database, at: datetime) -> None:
    async with database.begin() as connection:
        assert await saved_methods.remove(connection, "shop", METHOD, now=at, by="client:shop")


async def status(database) -> MethodStatus | None:
    async with database.connect() as connection:
        return await saved_methods.status(connection, PROVIDER, "method-7", "customer-1")


async def test_a_method_is_saved_with_its_payment(world, database):
    create, *rest = paid_with()
    await world.deliver(await world.agent(), create, *rest)
    method = await stored(database)
    assert method is not None
    assert (method.customer_id, method.provider, method.title) == ("customer-1", PROVIDER, "Mir *4242")
    assert (str(method.expires_on), method.status, method.status_by) == (
        "2028-04-30",
        "ACTIVE",
        f"payment:{create.payment_id}",
    )


async def test_dying_before_the_transaction_saves_nothing_and_the_repeat_saves_it_once(world, database, monkeypatch):
    batch = world.log.write(*paid_with())

    async def die(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr("streams.payments.agent.save", die)
        with pytest.raises(Crash):
            await (await world.agent()).process(batch)
    assert await stored(database) is None
    await (await world.agent(Publisher())).process(batch)
    assert await world.rows("SELECT count(*) FROM saved_methods") == [(1,)]


async def test_two_payments_of_one_batch_save_a_method_once(world, database):
    await world.deliver(await world.agent(), *paid_with(), *paid_with())
    assert await world.rows("SELECT count(*) FROM saved_methods") == [(1,)]


async def test_a_payment_that_was_opened_before_the_removal_does_not_bring_the_method_back(world, database):
    agent = await world.agent()
    first, second = paid_with(), paid_with()
    await world.deliver(agent, *first, second[0])
    await remove(database, datetime.now(UTC) + timedelta(minutes=1))
    await world.deliver(agent, *second[1:])
    assert await status(database) is MethodStatus.REMOVED


async def test_a_payment_that_was_opened_after_the_removal_saves_the_method_again(world, database):
    agent = await world.agent()
    await world.deliver(agent, *paid_with())
    await remove(database, datetime(2026, 1, 1, tzinfo=UTC))
    await world.deliver(agent, *paid_with())
    method = await stored(database)
    assert method is not None
    assert (method.status, method.reason) == ("ACTIVE", None)


async def test_another_clients_payment_does_not_bring_it_back(world, database):
    agent = await world.agent()
    await world.deliver(agent, *paid_with())
    await remove(database, datetime(2026, 1, 1, tzinfo=UTC))
    await world.deliver(agent, *paid_with(client_id="another"))
    assert await status(database) is MethodStatus.REMOVED


async def test_a_decline_for_good_ends_the_method_and_a_removal_stays_a_removal(world, database):
    agent = await world.agent()
    await world.deliver(agent, *paid_with())
    create = a_create(saved_method="method-7")
    payment = a_payment(payment_id=create.payment_id, order=create.order, saved_method="method-7")
    revoked = performed(payment, payment.charge.id, Outcome.DECLINED, reason="method_revoked")
    await world.deliver(agent, create, revoked)
    method = await stored(database)
    assert method is not None
    assert (method.status, method.status_by, method.reason) == ("DEAD", f"provider:{PROVIDER}", "method_revoked")
    assert await status(database) is MethodStatus.DEAD
    await remove(database, datetime.now(UTC))
    other = a_create(saved_method="method-7")
    again = a_payment(payment_id=other.payment_id, order=other.order, saved_method="method-7")
    await world.deliver(agent, other, performed(again, again.charge.id, Outcome.DECLINED, reason="method_revoked"))
    method = await stored(database)
    assert method is not None
    assert method.status == "REMOVED"


async def test_removed_methods_are_not_listed_and_can_be_read(world, database):
    await world.deliver(await world.agent(), *paid_with())
    async with database.connect() as connection:
        assert [m.id for m in await saved_methods.methods(connection, "shop", "customer-1")] == [METHOD]
        assert await saved_methods.methods(connection, "another", "customer-1") == []
    await remove(database, datetime.now(UTC))
    async with database.connect() as connection:
        assert await saved_methods.methods(connection, "shop", "customer-1") == []
    assert (await stored(database)) is not None


async def test_a_status_that_is_none_is_refused(world, database):
    await world.deliver(await world.agent(), *paid_with())
    with pytest.raises(DBAPIError, match="known_status"):
        async with database.begin() as connection:
            await connection.exec_driver_sql("UPDATE saved_methods SET status = 'GONE'")
