"""The retry policy: what a follow-up sends."""

import msgspec
import pytest

from billing.payments.follow_ups import RETRY_POLICY, FollowUp, follow_up_action
from billing.payments.model import Payment
from billing.vocabulary import Action, OperationStatus, Outcome
from tests.support.factories import a_payment, authorized


def unpaid(outcome: Outcome | None, url: str | None = None) -> Payment:
    payment = a_payment()
    operation = msgspec.structs.replace(payment.operations[0], outcome=outcome)
    return msgspec.structs.replace(payment, operations=(operation,), payment_url=url)


def test_the_policy_has_every_pair_of_outcome_and_missing_url():
    assert set(RETRY_POLICY) == {(outcome, lacks_url) for outcome in (None, *Outcome) for lacks_url in (True, False)}


@pytest.mark.parametrize(
    ("outcome", "url", "sent"),
    [
        (None, None, [Action.CREATE] * 3),
        (Outcome.PENDING, None, [Action.CREATE] * 3),
        (Outcome.PENDING, "https://pay.example/1", [Action.INQUIRE] * 3),
        (Outcome.NOT_SENT, "https://pay.example/1", [Action.CREATE] * 3),
        (Outcome.UNKNOWN, None, [Action.CREATE, Action.INQUIRE, Action.CREATE]),
        (Outcome.UNKNOWN, "https://pay.example/1", [Action.INQUIRE] * 3),
    ],
)
def test_a_follow_up_of_an_opened_order_resends_or_inquires(outcome: Outcome, url: str | None, sent: list[Action]):
    payment = unpaid(outcome, url)
    assert [follow_up_action(payment, payment.operations[0], number) for number in range(3)] == sent


def test_money_is_asked_for_again_only_where_the_call_was_not_sent():
    resent = {
        outcome for (outcome, lacks_url), steps in RETRY_POLICY.items() if not lacks_url and FollowUp.RESEND in steps
    }
    assert resent == {Outcome.NOT_SENT}


def test_a_hold_is_only_inquired_about():
    payment = authorized()
    assert payment.operations[0].status is OperationStatus.SUCCESS
    assert follow_up_action(payment, payment.operations[0], 0) is Action.INQUIRE
