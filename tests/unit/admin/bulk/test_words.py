"""Bulk jobs in words, and the result as a file."""

import csv
import io
from typing import Any
from uuid import UUID

import pytest

from admin.bulk.result import result_csv
from admin.bulk.words import Cause, Progress, Sum, causes, progress, sums, why
from storage.bulk.rows import Row, RowState, Tally

TALLIES = [
    Tally(RowState.WAITING, False, None, "RUB", 3, 300),
    Tally(RowState.WAITING, False, None, "JPY", 1, 7),
    Tally(RowState.DONE, True, None, "RUB", 2, 200),
    Tally(RowState.SENT, True, "PENDING", "RUB", 1, 50),
    Tally(RowState.REFUSED, False, "named_twice", None, 4, None),
    Tally(RowState.REFUSED, True, "version_changed", "RUB", 5, 500),
    Tally(RowState.FAILED, True, "declined", "RUB", 1, 10),
]


def a_row(**values: Any) -> Row:
    fields: dict[str, Any] = {
        "job": UUID(int=1), "number": 2, "operation_id": UUID(int=2), "payment_id": UUID(int=3), "typed": "1",
        "reason": "asked", "state": RowState.WAITING, "payment_version": 3, "amount": 100, "currency": "RUB",
    }  # fmt: skip
    return Row(**(fields | values))


def test_rows_are_summed_by_state_and_currency() -> None:
    found = sums(TALLIES)
    assert found[RowState.WAITING] == Sum(4, {"JPY": 7, "RUB": 300})
    assert found[RowState.REFUSED] == Sum(9, {"RUB": 500})
    assert RowState.UNCHECKED not in found


def test_causes_name_what_was_not_refunded_the_most_frequent_first() -> None:
    assert causes(TALLIES) == [
        Cause("version_changed", "the payment changed after the dry run", 5),
        Cause("named_twice", "the payment is named on a line above", 4),
        Cause("declined", causes(TALLIES)[2].words, 1),
    ]


def test_progress_counts_what_the_dry_run_accepted() -> None:
    assert progress(TALLIES, 3) == Progress(all=13, sent=9, ended=8, minutes=2)
    assert progress(TALLIES, 0).minutes is None


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (a_row(), ""),
        (a_row(state=RowState.SENT), "The payment has not decided yet."),
        (a_row(state=RowState.SENT, code="PENDING"), "The provider has not finished it."),
        (
            a_row(state=RowState.FAILED, code="dead_letter", detail="InvalidMessage: x", letter="0-7"),
            "Nothing was refunded: the payment could not process the command (InvalidMessage: x).",
        ),
        (a_row(state=RowState.SENT, code="UNKNOWN"), "The provider's answer is not known yet."),
        (
            a_row(
                state=RowState.REFUSED, code="amount_exceeds_refundable", detail="12345 cannot be refunded: 100 is left"
            ),
            "123.45 RUB cannot be refunded: 1.00 RUB is left.",
        ),
        (
            a_row(state=RowState.REFUSED, code="invalid_line", detail="the line has 1 cells", currency=None),
            "The line has 1 cells.",
        ),
    ],
)
def test_a_row_says_why_it_is_so(row: Row, words: str) -> None:
    assert why(row) == words


@pytest.mark.parametrize("text", ["=1+1", "+7", "-1", "@x", " =1"])
def test_no_cell_of_the_result_is_a_formula(text: str) -> None:
    row = a_row(reason=text, amount=None, currency=None, typed=text, state=RowState.REFUSED, code="x", detail=text)
    found = list(csv.reader(io.StringIO(result_csv([row]).decode("utf-8-sig"))))[1]
    assert [found[2], found[4]] == [f"'{text}"] * 2
    assert not any(cell[:1] in "=+-@" for cell in found if cell)


def test_the_result_has_amounts_in_whole_units() -> None:
    found = list(csv.reader(io.StringIO(result_csv([a_row(state=RowState.DONE)]).decode("utf-8-sig"))))
    assert found[1][:6] == ["2", str(UUID(int=3)), "1.00", "RUB", "asked", "refunded"]
