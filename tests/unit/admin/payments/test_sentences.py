"""What the pages say of a payment."""

from uuid import uuid4

import msgspec

from admin.payments.sentences import latest_first
from billing.messages import RefundPayment
from tests.support.factories import apply, captured, later


def test_operations_are_shown_by_when_they_began_whatever_the_order_on_record() -> None:
    payment = captured()
    for seconds in (60, 30):
        payment = apply(payment, RefundPayment(payment.id, uuid4(), "asked", 100), at=later(seconds))
    begun = [operation.created_at for operation in latest_first(payment)]
    assert begun == sorted(begun, reverse=True)
    assert begun[:2] == [later(60), later(30)]


def test_of_operations_that_began_at_one_moment_the_one_recorded_last_is_first() -> None:
    payment = captured()
    charge, capture = payment.operations
    same = msgspec.structs.replace(
        payment, operations=(charge, msgspec.structs.replace(capture, created_at=charge.created_at))
    )
    assert [operation.id for operation in latest_first(same)] == [capture.id, charge.id]
