"""The drawing of a payment's waterfall."""

import re

import pytest

from admin.payments.waterfall import THIN, WIDTH, drawing, process, took
from billing.trace import Span
from billing.waterfall import Bar
from tests.support.factories import NOW

RECT = re.compile(r'<rect x="(\d+)" width="(\d+)"')


def bar(start: float, length: float, who: str = "payments") -> Bar:
    span = Span(id="1", parent="", name="<b>", process=who, start=NOW, end=NOW, attributes={})
    return Bar(span, 0, 0, start, length)


@pytest.mark.parametrize(("start", "length"), [(0, 0), (0, 1), (0.5, 0.25), (1, 0), (0.999, 0.001)])
def test_a_bar_is_seen_and_stays_within_the_drawing(start: float, length: float) -> None:
    ((x, width),) = RECT.findall(drawing(bar(start, length)))
    assert int(width) >= THIN
    assert 0 <= int(x) <= int(x) + int(width) <= WIDTH


def test_a_call_of_the_provider_is_told_from_our_own_work() -> None:
    call = bar(0, 1, "provider_calls")
    assert 'class="bar call"' in drawing(call)
    assert (process(call), process(bar(0, 1)), process(bar(0, 1, "sinks"))) == ("provider", "billing", "sinks")
    assert "style=" not in drawing(call), "the content policy has no styles of elements"


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [
        (0.04, "0.0 ms"), (120, "120.0 ms"), (1_250, "1.25 s"), (125_000, "2 min 5 s"),
        (12_000_000, "3 h 20 min"), (187_200_000, "2 d 4 h"),
    ],
)  # fmt: skip
def test_a_time_has_the_unit_that_people_read(milliseconds: float, said: str) -> None:
    assert took(milliseconds) == said
