"""What a shop reads of its payments."""

import socket
from uuid import UUID, uuid4

import pytest

from billing.messages import OperationView
from billing.settings import Settings
from billing.vocabulary import OperationStatus, OperationType, PaymentStatus
from ingest_api.problems import Problem, ProblemError, unavailable
from ingest_api.reads import PostgresReads
from storage.database import create_engine

AUTH = {"Authorization": "Bearer site-key-1"}


@pytest.fixture
async def stored(world, body, make_payment) -> UUID:
    """A captured payment of the client ``site``."""
    await world.create(body)
    (command,) = world.writer.commands
    operation = OperationView(
        uuid4(), OperationType.CAPTURE, OperationStatus.SUCCESS, 129700, make_payment(command).created_at,
        make_payment(command).created_at, provider_ref="op-1",
    )  # fmt: skip
    payment = make_payment(command, status=PaymentStatus.CAPTURED, captured=129700, operations=(operation,))
    world.reads.payments[command.payment_id] = payment
    return command.payment_id


async def test_a_client_reads_its_payment(world, stored: UUID) -> None:
    answer = await world.get(f"/v1/payments/{stored}", **AUTH)

    assert answer.status == 200
    payment = answer.json
    assert (payment["id"], payment["status"], payment["captured"]) == (str(stored), "CAPTURED", 129700)
    (operation,) = payment["operations"]
    assert (operation["type"], operation["status"], operation["provider_ref"]) == ("CAPTURE", "SUCCESS", "op-1")
    assert operation["reason"] is None


async def test_another_clients_payment_is_not_there(world, stored: UUID) -> None:
    answer = await world.get(f"/v1/payments/{stored}", Authorization="Bearer shop-key-1")

    answer.is_problem(404, "payment-not-found")


@pytest.mark.parametrize("id", [str(uuid4()), "not-a-uuid", "1"])
async def test_a_payment_nobody_has(world, id: str) -> None:
    (await world.get(f"/v1/payments/{id}", **AUTH)).is_problem(404, "payment-not-found")


async def test_reading_needs_an_api_key(world, stored: UUID) -> None:
    (await world.get(f"/v1/payments/{stored}")).is_problem(401, "unauthorized")


async def test_books_that_are_away_are_a_503(world, stored: UUID) -> None:
    world.reads.error = unavailable("payments cannot be read now")

    (await world.get(f"/v1/payments/{stored}", **AUTH)).is_problem(503, "service-unavailable")


async def test_a_postgres_that_refuses_connections_is_told_as_a_problem() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"postgresql://u:p@127.0.0.1:{nobody.getsockname()[1]}/billing"
        reads = PostgresReads(create_engine(Settings(postgres_url=url)))
        with pytest.raises(ProblemError) as raised:
            await reads.payment("site", uuid4())
        await reads.close()

    assert raised.value.problem is Problem.UNAVAILABLE
