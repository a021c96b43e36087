from pathlib import Path
from uuid import uuid4

import pytest

from billing.errors import InvariantBroken
from billing.messages import CorrectPayment
from billing.payments.decide import decide
from billing.payments.lifecycle import CORRECTIONS, TRANSITIONS, Fact, mermaid, mermaid_corrections
from billing.vocabulary import PaymentStatus
from tests.support.factories import NOW, a_payment

DOCUMENT = Path(__file__).parents[4] / "docs" / "life-cycle.md"


@pytest.mark.parametrize("diagram", [mermaid(), mermaid_corrections()])
def test_the_diagrams_in_the_docs_are_the_tables_in_the_code(diagram: str):
    assert f"```mermaid\n{diagram}```" in DOCUMENT.read_text()


def test_no_correction_leads_back_to_an_unpaid_payment():
    assert set(CORRECTIONS) == set(PaymentStatus)
    targets = {target for targets in CORRECTIONS.values() for target in targets}
    assert not targets & {PaymentStatus.PENDING, PaymentStatus.EXPIRED}


def test_a_correction_leaves_refunded_money_before_it_leaves_the_capture():
    refunded = (PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.REFUNDED)
    for status in refunded:
        assert CORRECTIONS[status] <= {PaymentStatus.CAPTURED, *refunded}


def test_a_change_that_the_table_lacks_is_refused(monkeypatch: pytest.MonkeyPatch):
    payment = a_payment()
    monkeypatch.setattr("billing.payments.decision.CORRECTIONS", dict.fromkeys(PaymentStatus, frozenset()))
    correction = CorrectPayment(payment.id, uuid4(), payment.operations[0].id, True, "Olga", "bank statement")
    with pytest.raises(InvariantBroken, match="cannot lead from PENDING to AUTHORIZED"):
        decide(payment, correction, NOW)


def test_every_status_can_be_reached():
    assert {PaymentStatus.PENDING, *TRANSITIONS.values()} == set(PaymentStatus)


def test_money_given_back_whole_is_the_end():
    assert not [pair for pair in TRANSITIONS if pair[0] is PaymentStatus.REFUNDED]


def test_a_closed_payment_is_reopened_only_by_evidence_of_money():
    closed = (PaymentStatus.FAILED, PaymentStatus.EXPIRED, PaymentStatus.VOIDED)
    facts = {fact for (status, fact) in TRANSITIONS if status in closed}
    assert facts == {Fact.AUTHORIZED, Fact.CAPTURED}
