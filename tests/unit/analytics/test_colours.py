"""Colours of charts."""

import pytest

from analytics.colours import DARK, LIGHT, Theme, colours, in_order, mixed


def light(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [value / 255 for value in bytes.fromhex(colour.removeprefix("#"))]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    dark, bright = sorted((light(one), light(other)))
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_every_series_stands_out_from_its_ground(theme: Theme) -> None:
    assert min(contrast(colour, theme.ground) for colour in theme.series) >= 3
    assert len(set(theme.series)) == len(theme.series)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_texts_are_legible_on_their_ground_and_on_every_cell_of_cohorts(theme: Theme) -> None:
    grounds = [theme.ground, *(mixed(share / 10, theme) for share in range(11))]

    assert min(contrast(theme.ink, ground) for ground in grounds) >= 4.5
    assert len(set(grounds)) == 11, "a larger share is another colour; none is the ground"


def test_a_name_has_the_same_colour_in_every_chart() -> None:
    alone = colours(["ON_HOLD"], LIGHT)["ON_HOLD"]

    assert colours(["ACTIVE", "ON_HOLD", "another"], LIGHT)["ON_HOLD"] == alone


def test_names_have_different_colours() -> None:
    for names in (
        ["yandex-pay", "yookassa", "stripe", "tbank", "sandbox", "another"],
        ["NEW", "RETURN", "RECOVERED", "HELD", "CHURN_VOLUNTARY", "CHURN_INVOLUNTARY"],
        ["INCOMPLETE", "ACTIVE", "PAST_DUE", "ON_HOLD", "ENDED"],
        ["first_try", "recovered", "open", "failed"],
        [f"plan-{n}" for n in range(len(LIGHT.series))],
    ):
        assert len(set(colours(names, LIGHT).values())) == len(names)


def test_known_names_come_in_their_order_before_others() -> None:
    assert in_order(["b", "HELD", "a", "NEW"]) == ["NEW", "HELD", "b", "a"]
