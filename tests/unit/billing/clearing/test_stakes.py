"""What a write-off is about: the difference of both sides, wherever the kind keeps them."""

from typing import Any

import pytest

from billing.clearing.discrepancies import Kind, at_stake

FEE = {"currency": "RUB", "fee": 250_000, "by_contract": 100_000}
PAYOUT = {"currency": "RUB", "paid": 1_000, "consists_of": 201_000}


@pytest.mark.parametrize(
    ("kind", "ours", "theirs", "detail", "expected"),
    [
        (Kind.AMOUNT_DIFFERS, 59_900, 49_850, {}, (10_050, "RUB")),
        (Kind.MISSING_AT_PROVIDER, -59_900, None, {}, (59_900, "RUB")),
        (Kind.UNKNOWN_PAYMENT, None, 150_000, {}, (150_000, "RUB")),
        (Kind.CURRENCY_DIFFERS, 150_000, 150_000, {"their_currency": "USD"}, (150_000, "RUB")),
        (Kind.FEE_DIFFERS, None, None, FEE, (150_000, "RUB")),
        (Kind.PAYOUT_DIFFERS, None, None, PAYOUT, (200_000, "RUB")),
        (Kind.STATEMENT_MISSING, None, None, {}, (0, "RUB")),
    ],
)
def test_it_is_what_the_sides_differ_by(
    kind: Kind, ours: int | None, theirs: int | None, detail: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert at_stake(kind, ours, theirs, "RUB", detail) == expected
