"""What a shop reads of its payments."""

import socket
from uuid import UUID, uuid4

import pytest

from billing.messages import ProviderReason, Refusal
from billing.vocabulary import Outcome
from ingest_api.payments.postgres_reads import PostgresReads
from ingest_api.problems import Problem, ProblemError, unavailable
from runtime.postgres import create_engine
from runtime.settings import Settings
from tests.support.factories import apply, captured, performed, unpaid

AUTH = {"Authorization": "Bearer site-key-1"}


@pytest.fixture
def stored(world) -> UUID:
    """A captured payment of the client ``site``."""
    return world.keep(captured())


async def test_a_client_reads_its_payment(world, stored: UUID) -> None:
    answer = await world.get(f"/v1/payments/{stored}", **AUTH)

    assert answer.status == 200
    payment = answer.json
    assert (payment["id"], payment["status"], payment["captured"]) == (str(stored), "CAPTURED", 59_900)
    assert [(o["type"], o["status"]) for o in payment["operations"]] == [
        ("AUTHORIZE", "SUCCESS"), ("CAPTURE", "SUCCESS"),
    ]  # fmt: skip


async def test_a_failed_operation_shows_our_reason_and_the_providers_own_words(world) -> None:
    payment = unpaid()
    said = ProviderReason("card_declined", "Your card was declined")
    declined = performed(
        payment, payment.operations[0].id, Outcome.DECLINED, reason="insufficient_funds", provider_reason=said
    )
    id = world.keep(apply(payment, declined))

    (operation,) = (await world.get(f"/v1/payments/{id}", **AUTH)).json["operations"]
    shown = {"code": "card_declined", "message": "Your card was declined"}
    assert (operation["reason"], operation["provider_reason"]) == ("insufficient_funds", shown)


async def test_an_operation_that_succeeded_shows_no_reason_of_the_provider(world, stored: UUID) -> None:
    operations = (await world.get(f"/v1/payments/{stored}", **AUTH)).json["operations"]

    assert {operation["provider_reason"] for operation in operations} == {None}


async def test_another_clients_payment_is_not_there(world, stored: UUID) -> None:
    answer = await world.get(f"/v1/payments/{stored}", Authorization="Bearer shop-key-1")

    answer.is_problem(404, "payment-not-found")


@pytest.mark.parametrize("id", ["7b0c57d2-1f0e-4d83-9a53-5f8b7f3a9b0c", "not-a-uuid", "1"])
async def test_an_unknown_payment(world, id: str) -> None:
    (await world.get(f"/v1/payments/{id}", **AUTH)).is_problem(404, "payment-not-found")


async def test_reading_needs_an_api_key(world, stored: UUID) -> None:
    (await world.get(f"/v1/payments/{stored}")).is_problem(401, "unauthorized")


async def test_an_unavailable_database_is_a_503(world, stored: UUID) -> None:
    world.reads.error = unavailable("payments cannot be read now")

    (await world.get(f"/v1/payments/{stored}", **AUTH)).is_problem(503, "service-unavailable")


async def test_a_postgres_that_refuses_connections_is_a_problem() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"postgresql://u:p@127.0.0.1:{nobody.getsockname()[1]}/billing"
        reads = PostgresReads(create_engine(Settings(postgres_url=url)))
        with pytest.raises(ProblemError) as raised:
            await reads.payment("site", uuid4())
        await reads.close()

    assert raised.value.problem is Problem.UNAVAILABLE


async def test_a_read_that_nothing_changed_since_is_a_304(world, stored: UUID) -> None:
    first = await world.get(f"/v1/payments/{stored}", **AUTH)
    etag = first.headers["ETag"]

    for sent in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await world.get(f"/v1/payments/{stored}", **AUTH, **{"If-None-Match": sent})
        assert (again.status, again.raw, again.headers["ETag"]) == (304, b"", etag)

    other = await world.get(f"/v1/payments/{stored}?expand=cart", **AUTH, **{"If-None-Match": etag})
    assert other.status == 200


async def test_a_payment_is_expanded_by_its_order_and_its_cart(world, stored: UUID) -> None:
    payment = (await world.get(f"/v1/payments/{stored}?expand=order,cart", **AUTH)).json

    assert payment["order"]["customer_id"] == "customer-1"
    assert payment["order"]["return_urls"]["success"] == "https://cinema.example/paid"
    (line,) = payment["cart"]["items"]
    assert (line["product_id"], line["quantity"], line["unit_price"], line["refunded"]) == ("film-1", 1, 59_900, 0)
    assert "order" not in (await world.get(f"/v1/payments/{stored}", **AUTH)).json


async def test_what_cannot_be_expanded_is_named(world, stored: UUID) -> None:
    answer = await world.get(f"/v1/payments/{stored}?expand=order,customer", **AUTH)

    answer.is_problem(422, "invalid-request")
    assert answer.json["errors"][0]["pointer"] == "/expand"


async def test_operations_are_listed_and_read_one_by_one(world, stored: UUID) -> None:
    listed = (await world.get(f"/v1/payments/{stored}/operations", **AUTH)).json["data"]
    assert [operation["type"] for operation in listed] == ["AUTHORIZE", "CAPTURE"]

    one = await world.get(f"/v1/payments/{stored}/operations/{listed[1]['id']}", **AUTH)
    assert (one.json["type"], one.json["payment"]["id"]) == ("CAPTURE", str(stored))

    for id in (uuid4(), "nonsense"):
        (await world.get(f"/v1/payments/{stored}/operations/{id}", **AUTH)).is_problem(404, "operation-not-found")
    foreign = {"Authorization": "Bearer shop-key-1"}
    for path in ("operations", f"operations/{listed[1]['id']}"):
        (await world.get(f"/v1/payments/{stored}/{path}", **foreign)).is_problem(404, "payment-not-found")


async def test_a_command_that_was_accepted_and_then_refused_is_answered_with_the_reason(world, stored: UUID) -> None:
    operation, opening = uuid4(), uuid4()
    world.reads.refusals = {
        (stored, operation): Refusal("amount_exceeds_refundable", "30000 cannot be refunded: 19900 is left"),
        (opening, None): Refusal("invalid_order", "access_until is not a time"),
    }

    answer = await world.get(f"/v1/payments/{stored}/operations/{operation}", **AUTH)
    answer.is_problem(409, "amount-exceeds-refundable")
    assert answer.json["detail"] == "30000 cannot be refunded: 19900 is left"
    for path in ("", "/operations", "/timeline", "/events"):
        (await world.get(f"/v1/payments/{opening}{path}", **AUTH)).is_problem(422, "invalid-order")
    (await world.get(f"/v1/payments/{stored}/operations/{uuid4()}", **AUTH)).is_problem(404, "operation-not-found")


@pytest.mark.parametrize(
    ("spelled", "status"),
    [
        ("{id}", 200),
        ("{upper}", 200),
        ("%7B{id}%7D", 200),
        ("urn:uuid:{id}", 200),
        ("{id}%00", 404),
        ("{id}%FF", 404),
        ("\u263a", 404),
        ("none", 404),
    ],
)
async def test_an_id_however_it_is_spelled_is_that_payment_or_none(
    world, stored: UUID, spelled: str, status: int
) -> None:
    path = spelled.format(id=stored, upper=str(stored).upper())
    assert (await world.get(f"/v1/payments/{path}", **AUTH)).status == status
