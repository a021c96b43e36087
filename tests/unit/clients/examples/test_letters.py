"""The reference notification service: a text for every notification that we send."""

import pytest

from billing import signals
from billing.signals import Notification, signals_for
from billing.vocabulary import PaymentStatus
from clients.examples.letters import write
from clients.examples.notify_consumer import Letters
from tests.support.event_factories import a_change

KEYS = [value for name, value in vars(signals).items() if name.endswith("_KEY") and value.startswith("notify.")]


def notification(status: PaymentStatus = PaymentStatus.CAPTURED, **fields: object) -> Notification:
    (body,) = [s.body for s in signals_for(a_change(status, **fields)) if isinstance(s.body, Notification)]
    return body


@pytest.mark.parametrize("key", KEYS)
def test_there_is_a_text_for_every_template(key: str) -> None:
    template = key.removeprefix("notify.")
    written = write(Notification(template, "customer-1", notification().data))

    assert written.subject
    assert "$" not in written.subject + written.body


def test_the_customer_reads_amount_and_titles() -> None:
    letter = write(notification())

    assert letter.subject == "We have received 599.00 RUB"
    assert "Film 1, Film 2" in letter.body


def test_a_failed_payment_says_why_in_words() -> None:
    assert "insufficient funds" in write(notification(PaymentStatus.FAILED, reason="insufficient_funds")).body


def test_a_repeated_message_is_written_once() -> None:
    letters = Letters()

    assert letters.add("id-1", notification())
    assert not letters.add("id-1", notification())
    assert len(letters.by_message) == 1
