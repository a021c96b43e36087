"""What a shop sees when it subscribes a customer."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from billing.access.scopes import Scope
from billing.messages import decode_envelope
from billing.messages.subscription_commands import Subscribe
from tests.support.ingest_fakes import NOW
from tests.support.subscription_shop import ID, PATH, Shop, subscribe_body


async def test_the_customer_is_sent_to_the_page_of_the_first_payment(shop: Shop) -> None:
    answer = await shop.subscribe()

    assert (answer.status, answer.headers["Location"]) == (201, PATH)
    assert answer.headers["Preference-Applied"] == "wait=5"
    told = answer.json
    assert (told["id"], told["status"], told["customer_id"], told["plan"]) == (
        str(ID),
        "INCOMPLETE",
        "c-1842",
        "cinema",
    )
    assert (told["price"]["amount"], told["price"]["interval"], told["price"]["interval_count"]) == (39900, "MONTH", 1)
    payment = told["latest_payment"]
    assert payment["payment_url"] == f"https://pay.example/{payment['id']}"
    assert (payment["purpose"], payment["period"], payment["attempt"]) == ("FIRST", 1, 1)
    assert told["access_until"] is None
    assert told["zone"] == "Europe/Moscow"


async def test_the_command_carries_the_price_the_consent_and_where_the_customer_returns_to(shop: Shop) -> None:
    await shop.subscribe(consent={"terms_sha256": "cd" * 32, "address": "203.0.113.7", "agent": "a browser"})

    (record,) = shop.world.writer.records
    envelope = decode_envelope(record.value)
    command = envelope.open()
    assert isinstance(command, Subscribe)
    assert record.topic == "billing.subscriptions.inbox"
    assert (record.key, envelope.actor) == (str(ID).encode(), "client:site")
    assert (command.client_id, command.customer_id, command.provider) == ("site", "c-1842", "yandex-pay")
    assert command.price.amount == 39900
    assert (command.consent.terms_sha256, command.consent.address) == ("cd" * 32, "203.0.113.7")
    assert command.return_urls is not None
    assert command.return_urls.success == "https://cinema.example/ok"
    assert command.contact is not None
    assert command.metadata == {"campaign": "spring"}
    assert command.payment_ttl_s == shop.world.settings.payment_ttl_s


async def test_without_a_wait_the_command_is_stored_and_the_subscription_is_at_location(shop: Shop) -> None:
    shop.world.writer.on_store = None
    answer = await shop.world.command("POST", "/v1/subscriptions", subscribe_body())

    assert (answer.status, answer.json) == (202, {"id": str(ID)})
    assert (answer.headers["Location"], answer.headers["Retry-After"]) == (PATH, "1")
    assert len(shop.world.writer.records) == 1


async def test_a_page_that_does_not_come_in_time_is_202(shop: Shop) -> None:
    shop.world.deciding_subscriptions()
    answer = await shop.post("/v1/subscriptions", subscribe_body(), Prefer="wait=0.01")
    assert answer.status == 202


async def test_a_repeat_is_answered_from_the_committed_subscription(shop: Shop) -> None:
    body = subscribe_body()
    first = await shop.post("/v1/subscriptions", body, Idempotency_Key="once")
    again = await shop.post("/v1/subscriptions", body, Idempotency_Key="once")

    assert (first.status, again.status) == (201, 201)
    assert again.json["latest_payment"] == first.json["latest_payment"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(shop.world.writer.records) == 1


async def test_a_repeat_that_comes_before_the_page_waits_for_it(shop: Shop) -> None:
    body = subscribe_body()
    shop.world.deciding_subscriptions()
    await shop.post("/v1/subscriptions", body, Idempotency_Key="once", Prefer="respond-async")
    assert shop.subscription.charge is not None

    again = shop.subscription.charge
    assert again.payment_url is None
    answer = await shop.post("/v1/subscriptions", body, Idempotency_Key="once", Prefer="wait=0.01")
    assert answer.status == 202
    assert len(shop.world.writer.records) == 2, "the second asks the agent to be told of the page"


async def test_the_same_key_with_another_body_is_refused_and_leaves_no_trace(shop: Shop) -> None:
    await shop.post("/v1/subscriptions", subscribe_body(), Idempotency_Key="once")
    answer = await shop.post("/v1/subscriptions", subscribe_body(metadata={"a": "b"}), Idempotency_Key="once")

    answer.is_problem(422, "idempotency-key-reused")
    assert len(shop.world.writer.records) == 1


async def test_another_process_finds_the_reused_key_in_the_committed_subscription(shop: Shop) -> None:
    await shop.post("/v1/subscriptions", subscribe_body(), Idempotency_Key="once")
    shop.world.dependencies.recent_keys._fingerprints.clear()
    answer = await shop.post("/v1/subscriptions", subscribe_body(metadata={"a": "b"}), Idempotency_Key="once")
    answer.is_problem(422, "idempotency-key-reused")


async def test_a_second_subscription_in_the_group_is_refused_with_where_the_first_is(shop: Shop) -> None:
    await shop.active()
    answer = await shop.subscribe()

    answer.is_problem(409, "already-subscribed")
    assert answer.headers["Location"] == PATH


async def test_while_the_first_payment_is_open_its_page_is_named_again(shop: Shop) -> None:
    first = await shop.subscribe()
    answer = await shop.subscribe()

    answer.is_problem(409, "first-payment-open")
    assert answer.json["payment_url"] == first.json["latest_payment"]["payment_url"]
    assert len(shop.world.writer.records) == 1


async def test_the_open_first_payment_can_be_replaced(shop: Shop) -> None:
    first = await shop.subscribe()
    answer = await shop.subscribe(replace=True)

    assert answer.status == 201
    assert answer.json["latest_payment"]["id"] != first.json["latest_payment"]["id"]


async def test_a_caller_that_waits_gets_what_the_agent_refuses(shop: Shop) -> None:
    """The committed state that the request saw is older than the agent's."""
    await shop.active()
    committed = shop.world.subscriptions.kept.pop(ID)

    def commit_and_decide(message: object) -> None:
        shop.keep(committed)
        deciding(message)

    deciding = shop.world.writer.on_store
    assert deciding is not None
    shop.world.writer.on_store = commit_and_decide
    answer = await shop.subscribe()
    answer.is_problem(409, "already-subscribed")
    assert answer.headers["Location"] == PATH


async def test_after_the_end_the_next_life_begins(shop: Shop) -> None:
    await shop.active()
    await shop.act("cancel", {"when": "NOW"})
    answer = await shop.subscribe()
    assert (answer.status, answer.json["life"], answer.json["status"]) == (201, 2, "INCOMPLETE")


async def test_the_price_can_be_named_itself(shop: Shop) -> None:
    (price,) = shop.world.plans.kept["cinema"].prices
    answer = await shop.subscribe(plan=None, currency=None, price=str(price.id))
    assert answer.status == 201


async def test_the_newest_price_of_the_plan_is_taken(shop: Shop) -> None:
    body = {"currency": "RUB", "amount": 44900, "products": ["cinema"]}
    await shop.post("/v1/plans/cinema/prices", body)
    assert (await shop.subscribe()).json["price"]["amount"] == 44900


@pytest.mark.parametrize(
    "named", [{"plan": "sport"}, {"currency": "EUR"}, {"plan": None, "currency": None, "price": str(UUID(int=1))}]
)
async def test_a_price_that_does_not_exist(shop: Shop, named: dict[str, str | None]) -> None:
    answer = await shop.subscribe(**named)
    answer.is_problem(422, "unknown-price")
    assert shop.world.writer.records == []


async def test_an_archived_plan_takes_no_new_subscription_and_answers_repeats(shop: Shop) -> None:
    body = subscribe_body()
    await shop.post("/v1/subscriptions", body, Idempotency_Key="once")
    assert (await shop.world.command("POST", "/v1/plans/cinema/archive", {})).status == 200

    assert (await shop.post("/v1/subscriptions", body, Idempotency_Key="once")).status == 201
    (await shop.subscribe(customer_id="c-2")).is_problem(409, "plan-archived")


async def test_without_a_provider_the_routing_rules_choose_one(shop: Shop) -> None:
    assert (await shop.subscribe(provider=None)).json["provider"] == "yandex-pay"
    (await shop.subscribe(provider="nobody")).is_problem(422, "unknown-provider")


async def test_a_subscription_with_a_test_clock_begins_at_its_time(shop: Shop) -> None:
    clock = shop.world.test_clocks.keep(NOW + timedelta(days=400))
    answer = await shop.subscribe(test_clock=str(clock))

    assert answer.json["test_clock"] == str(clock)
    assert answer.json["created_at"].startswith("2027-04-05T12:00:00")


async def test_a_test_clock_needs_a_sandbox(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    (await shop.subscribe(test_clock=str(uuid4()))).is_problem(422, "unknown-test-clock")
    clock = shop.world.test_clocks.keep(NOW)
    object.__setattr__(shop.world.dependencies, "sandboxes", frozenset())
    (await shop.subscribe(test_clock=str(clock))).is_problem(422, "test-clock-needs-sandbox")
    assert shop.world.writer.records == []


async def test_a_test_clock_with_as_many_subscriptions_as_it_can_move_takes_no_more(shop: Shop) -> None:
    clock = shop.world.test_clocks.keep(NOW)
    shop.world.test_clocks.full = True
    (await shop.subscribe(test_clock=str(clock))).is_problem(409, "test-clock-full")
    assert shop.world.writer.records == []


async def test_where_test_clocks_are_off_no_subscription_lives_by_one(shop: Shop) -> None:
    clock = shop.world.test_clocks.keep(NOW)
    shop.world.settings.test_clocks = False
    (await shop.subscribe(test_clock=str(clock))).is_problem(403, "test-clocks-off")
    assert (await shop.subscribe()).status == 201


async def test_while_an_older_worker_runs_nothing_is_accepted(shop: Shop) -> None:
    shop.world.reads.not_understood.add(Subscribe.TYPE)
    answer = await shop.subscribe()

    answer.is_problem(503, "upgrade-in-progress")
    assert answer.headers["Retry-After"] == "1"
    assert shop.world.writer.records == []


async def test_the_scope_is_subscriptions_write(shop: Shop) -> None:
    await shop.key_with("pay-only", Scope.PAYMENTS_WRITE, Scope.SUBSCRIPTIONS_READ)
    answer = await shop.post("/v1/subscriptions", subscribe_body(), Authorization="Bearer pay-only")

    answer.is_problem(403, "forbidden")
    assert answer.json["scope"] == "subscriptions:write"


async def test_the_customer_returns_only_to_hosts_of_the_client(shop: Shop) -> None:
    await shop.key_with("shop", Scope.SUBSCRIPTIONS_WRITE, return_hosts=["shop.example"])
    answer = await shop.post("/v1/subscriptions", subscribe_body(), Authorization="Bearer shop")

    answer.is_problem(422, "invalid-request")
    assert {error["pointer"] for error in answer.json["errors"]} == {"/return_urls/success", "/return_urls/failure"}
