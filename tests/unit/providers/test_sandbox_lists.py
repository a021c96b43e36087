"""Which lists of the sandbox are statements, and so have the faults of statements."""

import pytest

from providers.sandbox.yookassa.lists import is_statement

SINCE = "2026-11-27T00:00:00Z"


@pytest.mark.parametrize(
    ("query", "field", "is_one"),
    [
        ({"captured_at.gte": SINCE}, "captured_at", True),
        ({"created_at.gte": SINCE}, "captured_at", False),
        ({"created_at.gte": SINCE, "status": "succeeded"}, "created_at", True),
        ({"created_at.gte": SINCE}, "created_at", False),
        ({"created_at.gte": SINCE, "status": "succeeded", "payment_id": "2f1c"}, "created_at", False),
        ({}, "captured_at", False),
    ],
    ids=["payments of a day", "search of one payment", "refunds of a day", "all refunds", "of one payment", "all"],
)
def test_a_search_of_one_payment_is_no_statement(query: dict[str, str], field: str, is_one: bool) -> None:
    assert is_statement(query, field) is is_one
