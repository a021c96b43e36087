"""The client against the real API."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import msgspec
import pytest
from billing_client import (
    BillingClient,
    Cart,
    InvalidRequest,
    Item,
    KeyReused,
    MethodStatus,
    NewPayment,
    NoAnswer,
    NotFound,
    OperationStatus,
    Payment,
    PaymentStatus,
    RefundLine,
    Refused,
    Repeats,
    ReturnUrls,
    Unauthorized,
    Unavailable,
)
from billing_client.errors import problem_error

from billing.messages import Envelope, PaymentChanged, PaymentSnapshot
from billing.payments.decision import snapshot
from tests.support.factories import NOW, authorized, captured, unpaid
from tests.support.ingest_fakes import METHOD, a_method
from tests.support.ingest_server import SITE_KEY, Served, serving, until

ORDER = NewPayment(
    customer_id="c-1842",
    currency="RUB",
    amount=99_800,
    provider="yandex-pay",
    cart=Cart([Item("film-77", "Сталкер", 2, 49_900, tax="vat20", receipt={"subject": 1})]),
    return_urls=ReturnUrls("https://cinema.example/ok", "https://cinema.example/no"),
    metadata={"campaign": "spring"},
)
ONCE = Repeats(patience_s=0)


@pytest.fixture
async def world() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served


@pytest.fixture
async def billing(world: Served) -> AsyncIterator[BillingClient]:
    async with BillingClient(world.url, SITE_KEY, repeats=Repeats(first_s=0.01)) as client:
        yield client


async def test_a_payment_is_opened_with_all_that_was_said_of_it(world: Served, billing: BillingClient) -> None:
    world.replying()
    opened = await billing.create_payment(ORDER)

    (command,) = world.writer.commands
    assert (command.order.amount, command.order.metadata) == (99_800, {"campaign": "spring"})
    assert (command.order.cart.items[0].tax, command.order.cart.items[0].subject) == ("vat20", 1)
    assert opened.payment is not None
    assert (opened.id, opened.payment_url) == (command.payment_id, "https://pay.example/1")
    assert (opened.payment.status, opened.payment.created_at.tzinfo) == (PaymentStatus.PENDING, NOW.tzinfo)


async def test_a_payment_whose_outcome_is_to_come_has_only_its_id(world: Served, billing: BillingClient) -> None:
    opened = await billing.create_payment(ORDER, wait_s=0)

    assert opened.id == world.writer.commands[0].payment_id
    assert (opened.payment_url, opened.payment) == (None, None)


async def test_a_repeat_with_its_key_finds_the_same_payment_and_another_body_is_refused(
    world: Served, billing: BillingClient
) -> None:
    first = await billing.create_payment(ORDER, idempotency_key="order-1", wait_s=0)
    again = await billing.create_payment(ORDER, idempotency_key="order-1", wait_s=0)
    other = await billing.create_payment(ORDER, wait_s=0)

    assert first.id == again.id != other.id
    with pytest.raises(KeyReused):
        await billing.create_payment(
            msgspec.structs.replace(ORDER, customer_id="c-2"), idempotency_key="order-1", wait_s=0
        )


async def test_what_is_not_valid_names_its_fields(billing: BillingClient) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await billing.create_payment(msgspec.structs.replace(ORDER, currency="XXX"))

    assert (caught.value.status, caught.value.code) == (422, "invalid-request")
    assert [error.pointer for error in caught.value.errors] == ["/currency"]
    assert caught.value.request_id


async def test_a_wrong_key_is_unauthorized(world: Served) -> None:
    async with BillingClient(world.url, "nobody's") as stranger:
        with pytest.raises(Unauthorized):
            await stranger.payment(uuid4())


async def test_a_service_that_cannot_store_is_asked_again_until_it_can(world: Served, billing: BillingClient) -> None:
    world.writer.unavailable = True
    asked = world.metrics.problems.labels("service-unavailable")
    before = asked._value.get()
    opening = asyncio.create_task(billing.create_payment(ORDER, wait_s=0))
    await until(lambda: asked._value.get() > before)
    world.writer.unavailable = False

    assert (await opening).id == world.writer.commands[0].payment_id


async def test_patience_has_an_end(world: Served) -> None:
    world.writer.unavailable = True
    async with BillingClient(world.url, SITE_KEY, repeats=ONCE) as billing:
        with pytest.raises(Unavailable) as caught:
            await billing.create_payment(ORDER)
    assert caught.value.code == "service-unavailable"


@asynccontextmanager
async def dropping(answers_after: int, keys: list[str]) -> AsyncIterator[str]:
    """A server that drops the first connections after their request came, and then accepts."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        keys.append(re.findall(r"(?im)^idempotency-key: (.+)\r$", head)[0])
        if len(keys) > answers_after:
            body = b'{"id":"%s","status":"PENDING","payment_url":null}' % str(UUID(int=1)).encode()
            writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_request_without_an_answer_is_repeated_with_the_same_key() -> None:
    keys: list[str] = []
    async with dropping(2, keys) as url, BillingClient(url, SITE_KEY, repeats=Repeats(first_s=0.01)) as billing:
        opened = await billing.create_payment(ORDER)

    assert opened.id == UUID(int=1)
    assert len(keys) == 3
    assert len(set(keys)) == 1


async def test_an_unreachable_service_is_no_answer() -> None:
    keys: list[str] = []
    async with dropping(9, keys) as url, BillingClient(url, SITE_KEY, repeats=ONCE) as billing:
        with pytest.raises(NoAnswer):
            await billing.create_payment(ORDER)
    assert len(keys) == 1


async def test_what_was_taken_is_given_back(world: Served, billing: BillingClient) -> None:
    paid = captured()
    world.keep(paid)
    world.deciding()
    operation = await billing.refund(paid.id, "changed their mind", items=[RefundLine("film-1", 1)])

    assert (operation.payment_id, operation.amount, operation.status) == (paid.id, 59_900, OperationStatus.PENDING)
    with pytest.raises(Refused) as caught:
        await billing.refund(paid.id, "again", amount=1)
    assert caught.value.code == "amount-exceeds-refundable"
    assert [o.id for o in await billing.operations(paid.id)][-1] == operation.id
    assert (await billing.operation(paid.id, operation.id)).payment is not None


async def test_what_is_held_is_taken_or_given_back_and_what_is_unpaid_is_cancelled(
    world: Served, billing: BillingClient
) -> None:
    held, other, open_ = authorized(), authorized(), unpaid()
    for payment in (held, other, open_):
        world.keep(payment)

    assert (await billing.capture(held.id, wait_s=0)).type == "CAPTURE"
    assert (await billing.void(other.id, "not in stock", wait_s=0)).type == "VOID"
    assert (await billing.cancel(open_.id, "the customer left", wait_s=0)).payment is None


async def test_payments_are_read_with_their_order_and_cart(world: Served, billing: BillingClient) -> None:
    paid = captured()
    world.keep(paid)
    shown = await billing.payment(paid.id, expand=("order", "cart"))

    assert shown.order is not None
    assert (shown.status, shown.order["customer_id"]) == (PaymentStatus.CAPTURED, "customer-1")
    assert shown.cart is not None
    with pytest.raises(NotFound):
        await billing.payment(uuid4())
    assert await billing.timeline(paid.id) == ()


async def test_lists_go_on_from_page_to_page(world: Served, billing: BillingClient) -> None:
    for n in range(5):
        world.keep(msgspec.structs.replace(captured(), created_at=NOW + timedelta(seconds=n)))
    seen = [payment.id async for payment in billing.payments(customer_id="customer-1", limit="2")]

    assert len(seen) == len(set(seen)) == 5
    assert world.reads.filters is not None
    assert world.reads.filters.customer_id == "customer-1"


def change(payment: PaymentSnapshot, version: int) -> PaymentChanged:
    return PaymentChanged(**msgspec.structs.asdict(payment) | {"version": version})


def publish(world: Served, changed: PaymentChanged) -> None:
    id = str(changed.payment_id)
    world.dependencies.changes.take(
        id.encode(), Envelope.wrap(changed, id="e", source="/t", subject=id, time=NOW).encode()
    )


async def test_changes_are_followed_across_a_stream_that_ends() -> None:
    paid = captured()
    shown = snapshot(paid, paid.operations)
    async with serving() as world, BillingClient(world.url, SITE_KEY, repeats=Repeats(first_s=0.01)) as billing:
        world.keep(paid)
        seen: list[Payment] = []

        async def listen() -> None:
            async for payment in billing.changes(paid.id):
                seen.append(payment)
                if len(seen) == 3:
                    return

        listening = asyncio.create_task(listen())
        await until(lambda: len(seen) == 1)
        publish(world, change(shown, paid.version + 1))
        await until(lambda: len(seen) == 2)
        world.reads.journal = [change(shown, paid.version + 1), change(shown, paid.version + 2)]
        for stream in world.dependencies.changes._all():
            stream.close()  # the server leaves; the client comes back, and the journal has what it missed
        await listening
    assert [payment.version for payment in seen] == [paid.version, paid.version + 1, paid.version + 2]
    assert seen[0].status is PaymentStatus.CAPTURED


async def test_changes_of_an_unknown_payment_are_refused(billing: BillingClient) -> None:
    with pytest.raises(NotFound):
        await anext(billing.changes(uuid4()))


def test_a_state_of_a_newer_service_does_not_break_the_client() -> None:
    assert msgspec.json.decode(b'"DISPUTED"', type=PaymentStatus) is PaymentStatus.OTHER
    assert msgspec.json.decode(b'"HELD"', type=OperationStatus) is OperationStatus.OTHER


@pytest.mark.parametrize("code", ["payment-not-unpaid", "payment-already-paid"])
def test_a_renamed_problem_type_has_one_code_whichever_release_answers(code: str) -> None:
    document = {"type": f"/problems/{code}", "title": "", "status": 409}

    error = problem_error(409, "Conflict", msgspec.json.encode(document))

    assert isinstance(error, Refused)
    assert error.code == "payment-already-paid"


async def test_a_saved_method_is_listed_charged_and_removed(world: Served, billing: BillingClient) -> None:
    world.methods.keep(a_method(customer_id="c/1842"))
    (method,) = await billing.payment_methods("c/1842")
    assert (method.id, method.title, method.status) == (METHOD, "Mir *4242", MethodStatus.ACTIVE)
    order = msgspec.structs.replace(ORDER, customer_id="c/1842", provider=None, payment_method_id=METHOD)
    await billing.create_payment(order, wait_s=0)
    assert world.writer.commands[0].saved_method == "ref-1"
    for _ in range(2):
        await billing.remove_payment_method(METHOD)
    assert await billing.payment_methods("c/1842") == ()
    assert (await billing.payment_method(METHOD)).status is MethodStatus.REMOVED
    with pytest.raises(Refused) as caught:
        await billing.create_payment(order, idempotency_key="another", wait_s=0)
    assert caught.value.code == "payment-method-removed"
