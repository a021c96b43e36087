import pytest

from billing.vocabulary import Outcome
from providers.base import CallResult
from streams.provider_calls.breaker import JUDGED_FROM, OPEN_S, WINDOW, Breaker, State

GOOD = CallResult(Outcome.SUCCEEDED)
DECLINED = CallResult(Outcome.DECLINED, reason="insufficient_funds")
BAD = CallResult(Outcome.UNKNOWN, reason="timeout")


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock)


def play(breaker: Breaker, *results: CallResult) -> None:
    for result in results:
        assert breaker.admit()
        breaker.note(result)


def broken(breaker: Breaker) -> Breaker:
    play(breaker, *[BAD] * JUDGED_FROM)
    return breaker


def test_almost_only_failures_hold_the_next_calls_back(breaker):
    play(breaker, *[BAD] * (JUDGED_FROM - 1))
    assert breaker.admit(), "too few calls to judge by"
    breaker.note(BAD)
    assert not breaker.admit()
    assert (breaker.state, breaker.reason) == (State.OPEN, "timeout")


def test_a_provider_that_fails_half_of_the_time_is_called(breaker):
    play(breaker, *[GOOD, BAD] * WINDOW)
    assert breaker.state is State.CLOSED


@pytest.mark.parametrize(
    "result",
    [
        DECLINED,
        CallResult(Outcome.PENDING),
        CallResult(Outcome.UNKNOWN, reason="already_known"),
        CallResult(Outcome.NOT_SENT, reason="provider_busy"),
    ],
)
def test_an_answer_is_no_failure_whatever_it_says(breaker, result):
    play(breaker, *[result] * WINDOW)
    assert breaker.state is State.CLOSED


def test_old_failures_are_forgotten(breaker):
    play(breaker, *[BAD] * (JUDGED_FROM - 1), *[GOOD] * WINDOW, *[BAD] * (WINDOW // 2))
    assert breaker.state is State.CLOSED


def test_after_a_while_one_call_is_let_through_and_its_success_lets_all(breaker, clock):
    broken(breaker)
    clock.time += OPEN_S - 0.1
    assert not breaker.admit()
    clock.time += 0.1
    assert breaker.admit()
    assert not breaker.admit(), "one at a time"
    breaker.note(GOOD)
    play(breaker, *[BAD] * (JUDGED_FROM - 1))
    assert breaker.admit(), "what was before is forgotten"


def test_a_trial_that_fails_holds_calls_back_as_long_again(breaker, clock):
    broken(breaker)
    clock.time += OPEN_S
    assert breaker.admit()
    breaker.note(BAD)
    clock.time += OPEN_S - 0.1
    assert not breaker.admit()
    clock.time += 0.1
    assert breaker.admit()
