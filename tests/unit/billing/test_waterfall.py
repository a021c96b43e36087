"""Spans as bars: on one scale, or by episodes where nothing happened for long."""

from datetime import timedelta

from billing.trace import Span
from billing.waterfall import PAUSE, bars, episodes
from tests.support.factories import later


def span(start: float, end: float, name: str = "call") -> Span:
    return Span(id="1", parent="", name=name, process="payments", start=later(start), end=later(end), attributes={})


def test_a_bar_is_a_share_of_the_whole() -> None:
    first, second = bars([span(0, 1), span(1, 4)])
    assert (first.start, first.length, first.took_ms) == (0, 0.25, 1_000)
    assert (second.start, second.length, second.after_ms) == (0.25, 0.75, 1_000)


def test_what_took_no_time_has_a_bar_too() -> None:
    assert [(bar.start, bar.length) for bar in bars([span(0, 0)])] == [(0, 0)]


def test_after_a_long_pause_a_new_scale_begins() -> None:
    pause = PAUSE.total_seconds()
    found = episodes([span(0, 1), span(1 + pause, 2 + pause), span(3 + 2 * pause, 5 + 2 * pause)])
    assert [len(episode.bars) for episode in found] == [2, 1]
    assert [episode.pause for episode in found] == [None, PAUSE + timedelta(seconds=1)]
    assert (found[1].begin, found[1].bars[0].length, found[1].whole_ms) == (later(3 + 2 * pause), 1, 2_000)


def test_a_span_within_a_longer_one_makes_no_pause() -> None:
    assert len(episodes([span(0, 100), span(1, 2), span(90, 91)])) == 1


def test_a_payment_without_spans_has_no_episode() -> None:
    assert episodes([]) == []
