"""A line of recent numbers: its size, its gaps, its words."""

from xml.etree import ElementTree as ET

from monitoring.sparkline import HEIGHT, POINTS, WIDTH, sparkline

SVG = "{http://www.w3.org/2000/svg}"


def lines(drawing: str) -> list[list[tuple[float, float]]]:
    root = ET.fromstring(drawing)
    return [
        [(float(x), float(y)) for x, y in (point.split(",") for point in line.attrib["points"].split())]
        for line in root.iter("polyline")
    ]


def test_the_last_number_is_at_the_right_and_the_largest_at_the_top() -> None:
    (line,) = lines(sparkline([0, 5, 10]))
    assert line == [(0, HEIGHT - 1), (WIDTH / 2, HEIGHT / 2), (WIDTH, 1)]


def test_what_was_not_known_is_a_gap_and_no_zero() -> None:
    assert [len(line) for line in lines(sparkline([1, 2, None, None, 3]))] == [2, 1]


def test_nothing_known_draws_nothing() -> None:
    assert sparkline([]) == sparkline([None]) == ""


def test_two_hours_take_a_kilobyte_or_two_and_keep_their_peak() -> None:
    drawing = sparkline([0] * 700 + [900] + [0] * 19)
    assert len(drawing) < 2_048
    (line,) = lines(drawing)
    assert len(line) == POINTS
    assert min(y for _, y in line) == 1
    assert "<title>min 0, max 900, last 0</title>" in drawing


def test_only_zeros_are_a_line_at_the_bottom() -> None:
    (line,) = lines(sparkline([0, 0]))
    assert {y for _, y in line} == {HEIGHT - 1}
