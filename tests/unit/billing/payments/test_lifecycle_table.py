from pathlib import Path

from billing.payments.lifecycle import TRANSITIONS, Fact, mermaid
from billing.vocabulary import PaymentStatus

DOCUMENT = Path(__file__).parents[4] / "docs" / "life-cycle.md"


def test_the_diagram_in_the_docs_is_the_table_in_the_code():
    assert mermaid() in DOCUMENT.read_text()


def test_every_status_can_be_reached():
    assert {PaymentStatus.PENDING, *TRANSITIONS.values()} == set(PaymentStatus)


def test_money_given_back_whole_is_the_end():
    assert not [pair for pair in TRANSITIONS if pair[0] is PaymentStatus.REFUNDED]


def test_a_closed_payment_is_reopened_only_by_evidence_of_money():
    closed = (PaymentStatus.FAILED, PaymentStatus.EXPIRED, PaymentStatus.VOIDED)
    facts = {fact for (status, fact) in TRANSITIONS if status in closed}
    assert facts == {Fact.AUTHORIZED, Fact.CAPTURED}
