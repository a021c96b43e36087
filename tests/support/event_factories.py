"""Changes of payments and of subscriptions, as their topics carry them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from billing.clearing.discrepancies import HANDLING, Event, Kind, State
from billing.messages import Envelope, ItemView, OperationView, PaymentChanged
from billing.messages.clearing_events import ClearingMessage, DiscrepancyChanged
from billing.messages.subscription_events import AccessView, Notice, PeriodView, SubscriptionChanged
from billing.subscriptions.vocabulary import PeriodStatus, Status
from billing.vocabulary import CaptureMode, OperationStatus, OperationType, PaymentStatus
from tests.support.subscriptions import price

CREATED = datetime(2026, 11, 23, 12, 0, 0, 123_456, tzinfo=UTC)
CHANGED = datetime(2026, 11, 23, 12, 0, 5, 654_321, tzinfo=UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def an_operation(type: OperationType = OperationType.CAPTURE, **fields: Any) -> OperationView:
    values: dict[str, Any] = {
        "id": uuid4(),
        "status": OperationStatus.SUCCESS,
        "amount": 59_900,
        "created_at": CREATED,
        "updated_at": CHANGED,
        "provider_ref": "provider-operation-1",
    }
    return OperationView(type=type, **(values | fields))


def a_change(status: PaymentStatus = PaymentStatus.CAPTURED, **fields: Any) -> PaymentChanged:
    values: dict[str, Any] = {
        "payment_id": uuid4(),
        "version": 2,
        "previous_status": PaymentStatus.PENDING,
        "customer_id": "customer-1",
        "order_id": uuid4(),
        "client_id": "shop",
        "provider": "yandex-pay",
        "capture_mode": CaptureMode.ONE_STAGE,
        "currency": "RUB",
        "amount": 59_900,
        "authorized": 59_900,
        "captured": 59_900,
        "refunded": 0,
        "created_at": CREATED,
        "changed_at": CHANGED,
        "items": (
            ItemView("film-1", "Film 1", 1, 39_900, "DIGITAL"),
            ItemView("film-2", "Film 2", 1, 20_000, "DIGITAL"),
        ),
        "operations": (an_operation(),),
    }
    return PaymentChanged(status=status, **(values | fields))


def a_subscription_change(status: Status = Status.ACTIVE, **fields: Any) -> SubscriptionChanged:
    """The first period is paid."""
    period = PeriodView(
        1, 1, CREATED, CREATED + timedelta(days=30), price().id, 39_900, "RUB", PeriodStatus.PAID, uuid4()
    )
    until = period.end_at + timedelta(hours=72)
    values: dict[str, Any] = {
        "subscription_id": uuid4(),
        "version": 2,
        "previous_status": Status.INCOMPLETE,
        "client_id": "shop",
        "customer_id": "customer-1",
        "life": 1,
        "price": price(),
        "provider": "yandex-pay",
        "zone": "Europe/Moscow",
        "created_at": CREATED,
        "changed_at": CHANGED,
        "period": period,
        "periods": (period,),
        "access_until": until,
        "access": AccessView(("cinema",), (), until),
        "notices": (Notice("started", "cinema", "Cinema", 39_900, "RUB", access_until=until),),
        "arr_after": 478_800,
        "movement": "NEW",
    }
    return SubscriptionChanged(status=status, **(values | fields))


def a_discrepancy_change(kind: Kind, state: State, **fields: Any) -> DiscrepancyChanged:
    """Found just now, unless ``previous_state`` says otherwise."""
    previous = fields.get("previous_state")
    values: dict[str, Any] = {
        "id": UUID(int=77),
        "version": 1,
        "changed_at": CHANGED,
        "provider": "tbank",
        "business_date": date(2026, 11, 22),
        "subject": "line:2026-11-22:ref#1",
        "severity": HANDLING[kind].severity,
        "event": Event.FOUND,
        "actor": "system:clearing",
        "opened_at": CREATED,
        "previous_kind": None if previous is None else kind,
        "currency": "RUB",
        "theirs": 29_900,
        "due_at": CHANGED + timedelta(hours=1),
    }
    return DiscrepancyChanged(kind=kind, state=state, **(values | fields))


def as_message(
    change: PaymentChanged | SubscriptionChanged | ClearingMessage, *, traceparent: str | None = TRACE
) -> tuple[bytes, bytes]:
    """Key and value as the agents publish them."""
    subject = str(change.subject_id)
    envelope = Envelope.wrap(
        change,
        id=f"{subject}:{change.version}",
        source="/streams/payments",
        subject=subject,
        time=change.changed_at,
        traceparent=traceparent,
    )
    return subject.encode(), envelope.encode()


def payment_id(number: int) -> UUID:
    """A payment id that a failing test can be read by."""
    return UUID(int=number + 1)
