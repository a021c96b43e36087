"""The table of transitions."""

from billing.subscriptions.lifecycle import TRANSITIONS, Event
from billing.subscriptions.vocabulary import Status


def test_every_status_can_be_reached() -> None:
    assert {Status.INCOMPLETE, *TRANSITIONS.values()} == set(Status)


def test_an_ended_subscription_is_left_only_by_subscribing_again() -> None:
    assert [event for status, event in TRANSITIONS if status is Status.ENDED] == [Event.SUBSCRIBED]


def test_no_decline_ends_a_subscription_and_none_takes_access_away_at_once() -> None:
    assert {TRANSITIONS[pair] for pair in TRANSITIONS if pair[1] is Event.DECLINED} == {Status.PAST_DUE, Status.ON_HOLD}
    assert TRANSITIONS[Status.ACTIVE, Event.DECLINED] is Status.PAST_DUE


def test_paying_always_leads_to_an_active_subscription() -> None:
    assert {TRANSITIONS[pair] for pair in TRANSITIONS if pair[1] is Event.PAID} == {Status.ACTIVE}


def test_the_customer_can_end_it_from_every_status_that_lives() -> None:
    living = {status for status, event in TRANSITIONS if event is Event.CANCELLED}
    assert living == set(Status) - {Status.ENDED}
