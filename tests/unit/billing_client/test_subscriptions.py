"""The client's plans, subscriptions and test clocks against the real API."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest
from billing_client import (
    BillingClient,
    ClockStatus,
    Consent,
    Forbidden,
    InvalidRequest,
    NewPrice,
    NewSubscription,
    NotFound,
    Refused,
    Repeats,
    ReturnUrls,
    Subscription,
    SubscriptionStatus,
)

from billing.messages.subscription_commands import CancelSubscription, ChangeMethod, Subscribe, When
from billing.subscriptions.prices import RefundRule
from tests.support.ingest_fakes import METHOD, NOW, a_method
from tests.support.ingest_server import SITE_KEY, Served, serving, until
from tests.support.subscription_shop import ID, Shop

NEW = NewSubscription(
    customer_id="c-1842",
    plan="cinema",
    currency="RUB",
    provider="yandex-pay",
    consent=Consent(terms_sha256="ab" * 32, shown={"price": "399 a month"}),
    return_urls=ReturnUrls("https://cinema.example/ok", "https://cinema.example/no"),
    metadata={"campaign": "spring"},
)


@pytest.fixture
async def world() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served


@pytest.fixture
def shop(world: Served) -> Shop:
    return Shop(world)


@pytest.fixture
async def billing(world: Served) -> AsyncIterator[BillingClient]:
    async with BillingClient(world.url, SITE_KEY, repeats=Repeats(first_s=0.01)) as client:
        yield client


async def test_a_plan_is_made_priced_read_and_archived(world: Served, billing: BillingClient) -> None:
    made = await billing.plans.create("sport", "Sport", group="cinema", idempotency_key="plan")
    assert (made.id, made.group, made.prices, made.archived_at) == ("sport", "cinema", (), None)
    assert await billing.plans.create("sport", "Sport", group="cinema", idempotency_key="plan") == made
    with pytest.raises(Refused) as caught:
        await billing.plans.create("sport", "Sport")
    assert caught.value.code == "plan-exists"

    new = NewPrice(currency="RUB", amount=79_900, products=["sport"], interval="YEAR", tax="vat20")
    price = await billing.plans.add_price("sport", new)
    assert (price.version, price.interval, price.interval_count, price.products) == (1, "YEAR", 1, ("sport",))
    assert (await billing.plans.read("sport")).prices == (price,)
    assert [plan.id for plan in await billing.plans.list()] == ["sport"]
    assert (await billing.plans.archive("sport")).archived_at == NOW
    with pytest.raises(NotFound):
        await billing.plans.read("none such")


async def test_a_customer_subscribes_with_all_that_was_said(shop: Shop, billing: BillingClient) -> None:
    begun = await billing.subscriptions.create(NEW, idempotency_key="subscribe-1")

    assert begun.id == ID
    assert begun.subscription is not None
    assert begun.subscription.status is SubscriptionStatus.INCOMPLETE
    assert begun.subscription.latest_payment is not None
    assert begun.subscription.latest_payment.payment_url is not None
    (command,) = [m for m in shop.world.writer.messages if isinstance(m, Subscribe)]
    assert (command.consent.shown, command.metadata) == ({"price": "399 a month"}, {"campaign": "spring"})
    assert (await billing.subscriptions.create(NEW, idempotency_key="subscribe-1")).id == begun.id
    with pytest.raises(Refused) as caught:
        await billing.subscriptions.create(NEW)
    assert caught.value.code == "first-payment-open"
    assert caught.value.extensions["payment_url"] == begun.subscription.latest_payment.payment_url


async def test_a_command_whose_outcome_is_to_come_is_accepted_without_it(shop: Shop, billing: BillingClient) -> None:
    shop.world.writer.on_store = None
    begun = await billing.subscriptions.create(NEW, wait_s=0)
    assert (begun.id, begun.subscription) == (ID, None)
    shop.world.deciding_subscriptions()
    await shop.active()
    shop.world.writer.on_store = None
    assert await billing.subscriptions.cancel(ID, wait_s=0) is None
    assert await billing.subscriptions.change_method(ID, shop.world.methods.keep(a_method()), wait_s=0) is None


async def test_a_cancellation_is_previewed_made_and_taken_back(shop: Shop, billing: BillingClient) -> None:
    await shop.active()
    preview = await billing.subscriptions.preview_cancel(ID, when="NOW")
    assert (preview.refunded > 0, preview.currency, preview.subscription) == (True, "RUB", None)
    assert (await billing.subscriptions.preview_cancel(ID, when="NOW", refund="NONE")).refunded == 0

    cancelled = await billing.subscriptions.cancel(ID, comment="too few films")
    assert cancelled is not None
    assert cancelled.refunded == 0
    assert cancelled.subscription is not None
    assert cancelled.subscription.cancel_at == cancelled.ends_at
    kept = await billing.subscriptions.keep(ID)
    assert kept is not None
    assert (kept.status, kept.cancel_at) == (SubscriptionStatus.ACTIVE, None)
    with pytest.raises(Refused) as caught:
        await billing.subscriptions.keep(ID)
    assert caught.value.code == "subscription-not-cancelled"

    ended = await billing.subscriptions.cancel(ID, when="NOW", refund="FULL")
    assert ended is not None
    assert ended.refunded == 39_900
    (_, command) = [m for m in shop.world.writer.messages if isinstance(m, CancelSubscription)]
    assert (command.when, command.refund) == (When.NOW, RefundRule.FULL)
    with pytest.raises(InvalidRequest):
        await billing.subscriptions.cancel(ID, when="AT_END", refund="FULL")


async def test_a_declined_renewal_is_paid_on_a_page_or_by_another_method(shop: Shop, billing: BillingClient) -> None:
    await shop.overdue()
    paying = await billing.subscriptions.pay(ID, return_urls=NEW.return_urls)
    assert paying is not None
    assert paying.dunning is not None
    assert (paying.status, paying.dunning.reason) == (SubscriptionStatus.PAST_DUE, "card_expired")
    assert paying.latest_payment is not None
    assert paying.latest_payment.payment_url is not None

    await billing.subscriptions.change_method(ID, shop.world.methods.keep(a_method()))
    (command,) = [m for m in shop.world.writer.messages if isinstance(m, ChangeMethod)]
    assert command.method.id == METHOD


async def test_time_is_given_until_a_moment_with_its_offset(shop: Shop, billing: BillingClient) -> None:
    await shop.active()
    extended = await billing.subscriptions.extend(ID, datetime(2026, 5, 1, 15, tzinfo=UTC), "an outage")
    assert extended is not None
    assert extended.current_period is not None
    assert extended.current_period.end_at == datetime(2026, 5, 1, 15, tzinfo=UTC)
    with pytest.raises(InvalidRequest):
        await billing.subscriptions.extend(ID, datetime(2026, 6, 1), "an outage")  # noqa: DTZ001 - without an offset


async def test_a_subscription_is_read_with_all_that_belongs_to_it(shop: Shop, billing: BillingClient) -> None:
    await shop.overdue()
    shown = await billing.subscriptions.read(ID)
    assert (shown.id, shown.plan, shown.price.amount, shown.metadata) == (ID, "cinema", 39_900, {"campaign": "spring"})
    assert [period.number for period in await billing.subscriptions.periods(ID)] == [1]
    assert [(a.period, a.state) for a in await billing.subscriptions.attempts(ID)] == [(1, "PAID"), (2, "FAILED")]
    assert len(await billing.subscriptions.forecast(ID, periods=2)) > 0
    assert await billing.subscriptions.timeline(ID) == ()
    with pytest.raises(NotFound):
        await billing.subscriptions.read(uuid4())


async def test_lists_go_on_from_page_to_page(shop: Shop, billing: BillingClient) -> None:
    await shop.active()
    for n in range(1, 5):
        later = {"id": UUID(int=n), "created_at": NOW + timedelta(seconds=n)}
        shop.keep(msgspec.structs.replace(shop.subscription, **later))
    seen = [s.id async for s in billing.subscriptions.list(customer_id="c-1842", limit="2")]

    assert len(seen) == len(set(seen)) == 5
    assert shop.world.subscriptions.filters is not None
    assert shop.world.subscriptions.filters.customer_id == "c-1842"


async def test_changes_are_followed_across_a_stream_that_ends(
    world: Served, shop: Shop, billing: BillingClient
) -> None:
    await shop.active()
    first = shop.subscription.version
    seen: list[Subscription] = []

    async def listen() -> None:
        async for change in billing.subscriptions.changes(ID):
            seen.append(change)
            if len(seen) == 2:
                return

    listening = asyncio.create_task(listen())
    await until(lambda: len(seen) == 1)
    await shop.act("cancel")
    for stream in world.dependencies.subscription_changes._all():
        stream.close()  # the server leaves; the client comes back, and the journal has what it missed
    await listening
    assert [change.version for change in seen] == [first, first + 1]
    assert seen[1].cancel_at is not None


async def test_a_clock_is_made_advanced_and_read(world: Served, billing: BillingClient) -> None:
    at = datetime(2026, 1, 31, 9, tzinfo=UTC)
    made = await billing.test_clocks.create("a year", at=at, idempotency_key="clock")
    assert (made.status, made.now_at, made.subscriptions) == (ClockStatus.READY, at, 0)
    assert await billing.test_clocks.create("a year", at=at, idempotency_key="clock") == made

    to = at + timedelta(days=365)
    going = await billing.test_clocks.advance(made.id, to)
    assert (going.status, going.now_at, going.target_at) == (ClockStatus.ADVANCING, at, to)
    arriving = asyncio.create_task(billing.test_clocks.advance(made.id, to, within_s=20))
    await asyncio.sleep(0)
    world.test_clocks.kept[made.id] = msgspec.structs.replace(world.test_clocks.kept[made.id], now_at=to)
    assert (await arriving).status is ClockStatus.READY
    assert (await billing.test_clocks.read(made.id)).now_at == to
    with pytest.raises(InvalidRequest) as caught:
        await billing.test_clocks.advance(made.id, at)
    assert caught.value.code == "invalid-clock-time"


async def test_where_test_clocks_are_off_there_are_none(world: Served, billing: BillingClient) -> None:
    world.settings.test_clocks = False
    with pytest.raises(Forbidden) as caught:
        await billing.test_clocks.create("a year")
    assert caught.value.code == "test-clocks-off"


def test_a_state_of_a_newer_service_does_not_break_the_client() -> None:
    assert msgspec.json.decode(b'"TRIALING"', type=SubscriptionStatus) is SubscriptionStatus.OTHER
    assert msgspec.json.decode(b'"PAUSED"', type=ClockStatus) is ClockStatus.OTHER
