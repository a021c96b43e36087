"""Still is told from behind: a consumer that is slow moves, one that is stuck does not."""

import pytest

from runtime.kafka.lag import Lag, LagOfPartition


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_consumer_that_is_slow_is_behind_and_not_still(clock: Clock) -> None:
    one = LagOfPartition(clock)
    for second in range(100):
        clock.now = second
        lag = one.look(second, 10 * second + 10)
    assert lag.messages == 901
    assert lag.seconds == pytest.approx(90, abs=1)
    assert lag.still_s == 0


def test_a_consumer_that_is_stuck_is_still_since_its_last_move(clock: Clock) -> None:
    one = LagOfPartition(clock)
    one.look(5, 6)
    clock.now = 70
    assert one.look(5, 6) == Lag(1, 70, 70)
    clock.now = 80
    assert one.look(6, 7).still_s == 0


def test_a_consumer_with_nothing_to_do_is_not_still_however_long(clock: Clock) -> None:
    one = LagOfPartition(clock)
    one.look(6, 6)
    clock.now = 3_600
    assert one.look(6, 6) == Lag(0, 0, 0)
    clock.now += 5
    assert one.look(6, 7) == Lag(1, 0, 5), "what came since the last look may be as old as that"


def test_an_end_that_is_known_late_is_no_negative_lag(clock: Clock) -> None:
    assert LagOfPartition(clock).look(9, 7).messages == 0
