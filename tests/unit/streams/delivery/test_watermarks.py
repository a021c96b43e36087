from hypothesis import given
from hypothesis import strategies as st

from streams.delivery.watermarks import Watermarks


def test_the_position_waits_for_the_slowest():
    marks = Watermarks({0: 10})
    for offset in (10, 11, 12):
        marks.begin(0, offset)
    marks.finish(0, 11)
    assert marks.moves() == {}
    marks.finish(0, 10)
    assert marks.moves() == {0: (10, 12)}


def test_what_postgres_took_is_not_moved_again():
    marks = Watermarks({0: 0})
    marks.begin(0, 0)
    marks.finish(0, 0)
    marks.store(marks.moves())
    assert marks.moves() == {}


@given(st.permutations(range(8)), st.integers(0, 8))
def test_no_order_of_endings_lets_the_position_pass_what_is_not_done(order, ended):
    marks = Watermarks({0: 0})
    for offset in range(8):
        marks.begin(0, offset)
    for offset in order[:ended]:
        marks.finish(0, offset)
    open_ones = sorted(order[ended:])
    reached = marks.moves().get(0, (0, 0))[1]
    assert reached == (open_ones[0] if open_ones else 8)
