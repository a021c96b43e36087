"""Every state of a subscription has words for people."""

from datetime import timedelta

import pytest

from admin.subscriptions.sentences import ATTEMPTS, METHODS, NEXT, PERIODS, STATES, cadence_words, next_words, sentence
from billing.messages.subscription_commands import CancelSubscription, When
from billing.subscriptions.agenda import What
from billing.subscriptions.cadence import Cadence, Unit
from billing.subscriptions.decision import snapshot
from billing.subscriptions.vocabulary import AttemptState, PeriodStatus, Status
from billing.vocabulary import MethodStatus
from tests.support.subscriptions import World, active, subscribe


def test_nothing_is_without_words() -> None:
    for words, known in (
        (STATES, Status),
        (PERIODS, PeriodStatus),
        (ATTEMPTS, AttemptState),
        (METHODS, MethodStatus),
        (NEXT, What),
    ):
        assert set(words) == set(known)


def test_a_life_in_sentences() -> None:
    world = World()
    world.send(subscribe())
    said = [sentence(snapshot(world.subscription))]
    world.pay()
    said.append(sentence(snapshot(world.subscription)))
    world.until_charge()
    world.fail("card_expired")
    said.append(sentence(snapshot(world.subscription)))
    while world.subscription.status is Status.PAST_DUE:
        world.until_next()
    said.append(sentence(snapshot(world.subscription)))
    while world.subscription.status is not Status.ENDED:
        world.until_next()
    said.append(sentence(snapshot(world.subscription)))
    assert said == [
        "The customer has not paid the first period yet: there is no access.",
        "Paid until 28 Feb 2026 07:00 UTC; then 399.00 RUB is charged at yookassa.",
        "The renewal was declined: The card has expired. The customer has to pay; access stays until 3 Mar 2026 07:00 UTC.",
        (
            "The renewal was declined: The card has expired. There is no access; one payment brings it back until "
            "21 Mar 2026 07:00 UTC."
        ),
        "It ended on 21 Mar 2026 07:00 UTC: it was not paid.",
    ]
    assert next_words(snapshot(world.subscription)) == "nothing"


def test_a_cancellation_says_why_and_when() -> None:
    world = active()
    s = world.subscription
    world.send(CancelSubscription(s.id, command_id=s.id))
    assert sentence(snapshot(world.subscription)).endswith("It ends on 28 Feb 2026 07:00 UTC: it was cancelled.")
    assert next_words(snapshot(world.subscription)) == "it ends"
    world.pass_time(timedelta(hours=1))
    world.send(CancelSubscription(s.id, command_id=s.price.id, when=When.NOW))
    assert sentence(snapshot(world.subscription)) == "It ended on 31 Jan 2026 08:00 UTC: it was cancelled."


@pytest.mark.parametrize(
    ("cadence", "words"), [(Cadence(Unit.MONTH, 1), "every month"), (Cadence(Unit.WEEK, 2), "every 2 weeks")]
)
def test_how_often_it_is_paid(cadence: Cadence, words: str) -> None:
    assert cadence_words(cadence) == words
