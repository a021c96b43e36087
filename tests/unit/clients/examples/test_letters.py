"""The reference notification service: a text for every notification that we send."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from billing.signals import (
    NOTIFICATION_BODIES,
    Notification,
    SubscriptionNotification,
    SubscriptionNotificationData,
    signals_for,
)
from billing.vocabulary import PaymentStatus
from clients.examples.letters import write
from clients.examples.notify_consumer import Letters
from tests.support.event_factories import a_change

AT = datetime(2026, 4, 3, 7, 0, tzinfo=UTC)


def notification(status: PaymentStatus = PaymentStatus.CAPTURED, **fields: object) -> Notification:
    (body,) = [s.body for s in signals_for(a_change(status, **fields)) if isinstance(s.body, Notification)]
    return body


def subscription_notification(template: str, **facts: datetime | str) -> SubscriptionNotification:
    data = SubscriptionNotificationData(UUID(int=1), "cinema", "Cinema", 39_900, "RUB", **facts)  # type: ignore[arg-type]
    return SubscriptionNotification(template, "customer-1", data)


@pytest.mark.parametrize(("key", "body"), NOTIFICATION_BODIES.items())
def test_there_is_a_text_for_every_template(key: str, body: type) -> None:
    template = key.removeprefix("notify.")
    if body is Notification:
        written = write(Notification(template, "customer-1", notification().data))
    else:
        written = write(subscription_notification(template))

    assert written.subject
    assert "$" not in written.subject + written.body
    assert "None" not in written.subject + written.body


def test_a_subscriber_reads_what_happens_when() -> None:
    letter = write(subscription_notification("subscription_renewal_ahead", at=AT, method_title="Mir *4242"))

    assert letter.subject == "Cinema renews on 3 April 2026, 07:00 UTC"
    assert "399.00 RUB to Mir *4242" in letter.body


@pytest.mark.parametrize(
    ("facts", "text"),
    [({"next_try_at": AT}, "We try again on 3 April 2026, 07:00 UTC"), ({}, "We do not try again by ourselves")],
)
def test_a_subscriber_reads_whether_the_charge_is_tried_again(facts: dict[str, datetime], text: str) -> None:
    assert text in write(subscription_notification("subscription_payment_failed", **facts)).body


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
