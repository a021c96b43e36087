from uuid import uuid4

import pytest

from billing.errors import InvariantBroken
from billing.ledger import postings
from billing.ledger.accounts import REVENUE, clearing
from billing.ledger.postings import Cause, CauseKind, Entry, Posting
from tests.support.factories import NOW


def test_a_posting_that_does_not_balance_cannot_exist():
    with pytest.raises(InvariantBroken):
        Posting(uuid4(), Cause(CauseKind.OPERATION, "op"), "RUB", NOW, (Entry(REVENUE, -100), Entry(clearing("x"), 99)))


def test_capture_and_refund_of_the_same_amount_leave_the_provider_with_nothing_of_ours():
    operation = uuid4()
    entries = [
        entry
        for posting in (
            postings.capture(operation, "x", 100, "RUB", NOW),
            postings.refund(uuid4(), "x", 100, "RUB", NOW),
        )
        for entry in posting.entries
    ]
    assert sum(entry.amount for entry in entries if entry.account == clearing("x")) == 0


def test_the_same_operation_makes_the_same_posting():
    operation = uuid4()
    assert postings.capture(operation, "x", 1, "RUB", NOW).id == postings.capture(operation, "x", 1, "RUB", NOW).id


def test_what_an_operation_posts_names_the_operation_as_its_cause():
    operation = uuid4()
    posting = postings.capture(operation, "x", 1, "RUB", NOW)
    assert posting.cause == Cause(CauseKind.OPERATION, str(operation))
    assert postings.reverse(posting).operation_id == operation


def test_an_account_is_its_kind_and_the_provider_where_it_has_one():
    assert [str(account) for account in (REVENUE, clearing("yandex-pay"))] == ["revenue", "clearing:yandex-pay"]
