"""What other services are told of a payment's change."""

import msgspec
import pytest

from billing.signals import Access, Notification, Signal, signals_for
from billing.vocabulary import OperationStatus, OperationType, PaymentStatus
from tests.support.event_factories import CHANGED, a_change, an_operation

S = PaymentStatus


def keys(signals: tuple[Signal, ...]) -> list[str]:
    return [signal.routing_key for signal in signals]


def access_of(signals: tuple[Signal, ...]) -> Access:
    (body,) = [signal.body for signal in signals if isinstance(signal.body, Access)]
    return body


def notification_of(signals: tuple[Signal, ...]) -> Notification:
    (body,) = [signal.body for signal in signals if isinstance(signal.body, Notification)]
    return body


@pytest.mark.parametrize(
    ("previous", "status", "expected"),
    [
        (None, S.PENDING, []),
        (S.PENDING, S.AUTHORIZED, []),
        (S.PENDING, S.CAPTURED, ["auth.allow_access", "notify.payment_succeeded"]),
        (S.AUTHORIZED, S.CAPTURED, ["auth.allow_access", "notify.payment_succeeded"]),
        (S.FAILED, S.CAPTURED, ["auth.allow_access", "notify.payment_succeeded"]),
        (S.PENDING, S.FAILED, ["notify.payment_failed"]),
        (S.PENDING, S.EXPIRED, []),
        (S.AUTHORIZED, S.VOIDED, ["notify.payment_voided"]),
        (S.CAPTURED, S.REFUNDED, ["auth.deny_access", "notify.refunded"]),
        (S.CAPTURED, S.PARTIALLY_REFUNDED, ["notify.refunded"]),
        (S.PARTIALLY_REFUNDED, S.REFUNDED, ["auth.deny_access", "notify.refunded"]),
        # corrections
        (S.CAPTURED, S.FAILED, ["auth.deny_access", "notify.payment_failed"]),
        (S.CAPTURED, S.AUTHORIZED, ["auth.deny_access"]),
        (S.CAPTURED, S.VOIDED, ["auth.deny_access", "notify.payment_voided"]),
        (S.REFUNDED, S.CAPTURED, ["auth.allow_access"]),
        (S.PARTIALLY_REFUNDED, S.CAPTURED, []),
    ],
)
def test_each_transition_of_an_event_without_entitlement_tells_whom_it_concerns(
    previous: PaymentStatus | None, status: PaymentStatus, expected: list[str]
) -> None:
    operation = an_operation(OperationType.REFUND if status is S.PARTIALLY_REFUNDED else OperationType.CAPTURE)

    assert keys(signals_for(a_change(status, previous_status=previous, operations=(operation,)))) == expected


@pytest.mark.parametrize("status", [S.CAPTURED, S.FAILED, S.VOIDED, S.REFUNDED])
def test_a_change_that_leaves_the_status_tells_nothing(status: PaymentStatus) -> None:
    assert signals_for(a_change(status, previous_status=status)) == ()


def test_each_further_partial_refund_is_notified_though_the_status_stays() -> None:
    refund = an_operation(OperationType.REFUND, amount=5_000)
    change = a_change(S.PARTIALLY_REFUNDED, previous_status=S.PARTIALLY_REFUNDED, refunded=15_000, operations=(refund,))

    assert keys(signals_for(change)) == ["notify.refunded"]


def test_a_refund_taken_back_by_a_correction_opens_access_again_and_tells_no_refund() -> None:
    undone = an_operation(OperationType.REFUND, status=OperationStatus.FAIL)
    change = a_change(S.PARTIALLY_REFUNDED, previous_status=S.REFUNDED, operations=(undone,))

    assert keys(signals_for(change)) == ["auth.allow_access"]


def test_a_refund_that_is_only_requested_is_not_told() -> None:
    pending = an_operation(OperationType.REFUND, status=OperationStatus.PENDING)
    change = a_change(S.PARTIALLY_REFUNDED, previous_status=S.PARTIALLY_REFUNDED, operations=(pending,))

    assert signals_for(change) == ()


def test_access_is_opened_to_every_product_of_the_cart_without_an_end() -> None:
    access = access_of(signals_for(a_change()))

    assert access.action == "ALLOW_ACCESS"
    assert access.customer_id == "customer-1"
    assert access.products == ("film-1", "film-2")
    assert access.valid_until is None
    assert b'"valid_until":null' in msgspec.json.encode(access)


def test_a_later_change_has_a_higher_access_version_to_the_microsecond() -> None:
    earlier = access_of(signals_for(a_change(changed_at=CHANGED.replace(microsecond=654_321))))
    refunded = a_change(S.REFUNDED, previous_status=S.CAPTURED, changed_at=CHANGED.replace(microsecond=654_322))
    later = access_of(signals_for(refunded))

    assert later.version == earlier.version + 1


def test_the_customer_reads_the_amount_that_was_taken_not_the_one_that_was_ordered() -> None:
    data = notification_of(signals_for(a_change(amount=59_900, captured=39_900))).data

    assert (data.amount, data.currency) == (39_900, "RUB")
    assert [item.title for item in data.items] == ["Film 1", "Film 2"]


def test_a_failed_payment_says_why() -> None:
    notification = notification_of(signals_for(a_change(S.FAILED, captured=0, reason="insufficient_funds")))

    assert notification.template == "payment_failed"
    assert (notification.data.amount, notification.data.reason) == (59_900, "insufficient_funds")


def test_the_same_event_gives_the_same_ids_and_every_signal_its_own() -> None:
    change = a_change(version=7)

    ids = [signal.message_id for signal in signals_for(change)]

    assert ids == [signal.message_id for signal in signals_for(change)]
    assert ids == [
        f"{change.payment_id}:7:auth.allow_access",
        f"{change.payment_id}:7:notify.payment_succeeded",
    ]
