"""The reference auth service: late and repeated signals."""

import random
from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID

import pytest

from billing.signals import Access, AccessAction
from clients.examples.grants import Grants

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def allow(version: int, *products: str, payment: int = 1, valid_until: datetime | None = None) -> Access:
    return Access(
        AccessAction.ALLOW_ACCESS, "customer-1", products or ("film-1",), UUID(int=payment), version, "", valid_until
    )


def deny(version: int, *products: str, payment: int = 1) -> Access:
    return Access(AccessAction.DENY_ACCESS, "customer-1", products or ("film-1",), UUID(int=payment), version, "")


def after(*signals: Access) -> Grants:
    grants = Grants()
    for signal in signals:
        grants.apply(signal)
    return grants


def test_a_late_deny_never_beats_a_newer_allow() -> None:
    grants = after(allow(1), allow(3), deny(2))

    assert grants.allowed("customer-1", "film-1", NOW)


def test_a_newer_deny_closes_and_a_repeated_allow_does_not_open_again() -> None:
    grants = after(allow(1), deny(2), allow(1))

    assert not grants.allowed("customer-1", "film-1", NOW)


def test_a_partial_refund_closes_its_products_only() -> None:
    grants = after(allow(1, "film-1", "film-2"), deny(2, "film-2"))

    assert grants.allowed("customer-1", "film-1", NOW)
    assert not grants.allowed("customer-1", "film-2", NOW)


def test_who_paid_twice_and_was_refunded_once_keeps_the_film() -> None:
    grants = after(allow(1, payment=1), allow(2, payment=2), deny(3, payment=1))

    assert grants.allowed("customer-1", "film-1", NOW)
    grants.apply(deny(4, payment=2))
    assert not grants.allowed("customer-1", "film-1", NOW)


def test_access_with_an_end_is_over_at_that_moment() -> None:
    grants = after(allow(1, valid_until=NOW + timedelta(hours=48)))

    assert grants.allowed("customer-1", "film-1", NOW)
    assert not grants.allowed("customer-1", "film-1", NOW + timedelta(hours=48))


def test_nobody_watches_what_was_never_opened() -> None:
    assert not after(deny(1)).allowed("customer-1", "film-1", NOW)
    assert not after(allow(1)).allowed("customer-2", "film-1", NOW)


@pytest.mark.parametrize("seed", range(5))
def test_any_order_and_any_repeats_end_the_same(seed: int) -> None:
    signals = [allow(1), deny(2), allow(3, payment=2), deny(5), allow(4)]
    repeats = random.Random(seed).choices(signals, k=3)

    ends = {
        after(*order, *repeats).allowed("customer-1", "film-1", NOW) for order in permutations(signals, len(signals))
    }

    assert ends == {True}
    assert not after(*signals, deny(6, payment=2)).allowed("customer-1", "film-1", NOW)
