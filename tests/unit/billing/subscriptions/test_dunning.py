"""Classes of declines, and when a method is tried again."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.reasons import Reason
from billing.subscriptions.cadence import Cadence, Unit
from billing.subscriptions.dunning import BETWEEN_TRIES, POLICIES, classify, fault_delay, policy_for, retry_at
from billing.subscriptions.model import Dunning
from billing.subscriptions.vocabulary import Decline

BEGAN = datetime(2026, 3, 31, 8, 23, tzinfo=UTC)


def dunning(decline: Decline = Decline.SOFT, automatic: int = 1) -> Dunning:
    grace, end = BEGAN + timedelta(days=3), BEGAN + timedelta(days=21)
    return Dunning(3, "monthly-1", BEGAN, decline, "insufficient_funds", automatic, None, grace, end)


def after(decline: Decline = Decline.SOFT, automatic: int = 1, tried: datetime = BEGAN, advice: int | None = None):
    return retry_at(dunning(decline, automatic), POLICIES["monthly-1"], tried, "Europe/Moscow", advice)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_class(reason: Reason) -> None:
    assert classify(reason.value) in Decline


@pytest.mark.parametrize(
    ("reason", "decline"),
    [
        ("insufficient_funds", Decline.SOFT),
        ("limit_exceeded", Decline.SOFT),
        ("issuer_unavailable", Decline.SOFT),
        ("declined", Decline.WEAK),
        ("authentication_required", Decline.CUSTOMER),
        ("3d_secure_failed", Decline.CUSTOMER),
        ("card_expired", Decline.CUSTOMER),
        ("call_issuer", Decline.CUSTOMER),
        ("something new", Decline.CUSTOMER),
        (None, Decline.CUSTOMER),
        ("method_revoked", Decline.DEAD),
        ("fraud_suspected", Decline.DEAD),
        ("invalid_request", Decline.OURS),
        ("invalid_state", Decline.OURS),
        ("timeout", Decline.OURS),
        ("http_503", Decline.OURS),
        ("amount_too_small", Decline.OURS),
        ("too_late", Decline.OURS),
    ],
)
def test_the_class_of_a_reason(reason: str | None, decline: Decline) -> None:
    assert classify(reason) is decline


def test_the_network_can_make_a_retry_later_and_never_earlier() -> None:
    assert after() == BEGAN + timedelta(days=1)
    assert after(advice=60) == BEGAN + timedelta(days=1)
    assert after(advice=2 * 86_400) == BEGAN + timedelta(days=2)


def test_no_retry_within_twenty_hours_of_the_last_though_that_was_late() -> None:
    late = BEGAN + timedelta(days=2, hours=20)
    found = after(automatic=2, tried=late)
    assert found is not None
    assert found >= late + BETWEEN_TRIES


def test_no_retry_after_the_subscription_is_given_up() -> None:
    assert after(automatic=6, tried=BEGAN + timedelta(days=20, hours=12)) is None


@pytest.mark.parametrize("decline", [Decline.CUSTOMER, Decline.DEAD])
def test_no_retry_where_only_the_customer_can_help(decline: Decline) -> None:
    assert after(decline) is None


@pytest.mark.parametrize(
    ("cadence", "policy"),
    [
        (Cadence(Unit.DAY), "weekly-1"),
        (Cadence(Unit.WEEK), "weekly-1"),
        (Cadence(Unit.DAY, 30), "monthly-1"),
        (Cadence(Unit.MONTH), "monthly-1"),
        (Cadence(Unit.MONTH, 3), "monthly-1"),
        (Cadence(Unit.MONTH, 6), "yearly-1"),
        (Cadence(Unit.YEAR), "yearly-1"),
    ],
)
def test_the_policy_of_a_price(cadence: Cadence, policy: str) -> None:
    assert policy_for(cadence).name == policy


def test_faults_of_ours_are_repeated_soon_and_then_daily() -> None:
    assert [fault_delay(n).total_seconds() / 3600 for n in (1, 2, 3, 9)] == [1, 6, 24, 24]
