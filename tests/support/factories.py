"""Worlds for tests: orders, payments and the messages to them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from billing.messages import CreatePayment, Message, Observation, ProviderCallback, ProviderResult
from billing.orders import Cart, Item, Order, ReturnUrls
from billing.payments.decide import decide
from billing.payments.model import Payment
from billing.vocabulary import Action, CaptureMode, Outcome, PaymentStatus

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PROVIDER = "yandex-pay"


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def an_order(*prices: int, currency: str = "RUB") -> Order:
    items = tuple(Item(f"film-{n}", f"Film {n}", 1, price) for n, price in enumerate(prices or (59_900,), 1))
    return Order(
        id=uuid4(),
        customer_id="customer-1",
        currency=currency,
        amount=sum(item.total for item in items),
        cart=Cart(items),
        return_urls=ReturnUrls("https://cinema.example/paid", "https://cinema.example/failed"),
    )


def a_create(payment_id: UUID | None = None, *, order: Order | None = None, **fields: Any) -> CreatePayment:
    values: dict[str, Any] = {
        "payment_id": payment_id or uuid4(),
        "client_id": "shop",
        "fingerprint": "f" * 64,
        "order": order or an_order(),
        "provider": PROVIDER,
    }
    return CreatePayment(**(values | fields))


def a_payment(**fields: Any) -> Payment:
    payment = decide(None, a_create(**fields), NOW).payment
    assert payment is not None
    return payment


def opened(payment: Payment, **fields: Any) -> ProviderResult:
    """The provider opened the order and gave the payment URL."""
    values: dict[str, Any] = {
        "payment_id": payment.id,
        "operation_id": payment.operations[0].id,
        "provider": payment.provider,
        "action": Action.CREATE,
        "outcome": Outcome.PENDING,
        "provider_ref": payment.order_ref,
        "payment_url": "https://pay.example/1",
    }
    return ProviderResult(**(values | fields))


def told(payment: Payment, status: PaymentStatus, **fields: Any) -> ProviderCallback:
    """A callback with the status of the order."""
    return ProviderCallback(payment.id, payment.provider, f"ORDER/{status}", Observation(status, **fields))


def shown(payment: Payment, status: PaymentStatus | None, **fields: Any) -> ProviderResult:
    """The provider's answer, when it is asked about the order."""
    return ProviderResult(
        payment.id,
        payment.charge.id,
        payment.provider,
        Action.INQUIRE,
        Outcome.SUCCEEDED,
        observed=Observation(status, **fields),
    )


def apply(payment: Payment, *messages: Message, at: datetime = NOW) -> Payment:
    """The payment after the messages, each decided at ``at``."""
    for message in messages:
        changed = decide(payment, message, at).payment
        assert changed is not None
        payment = changed
    return payment


def captured(**fields: Any) -> Payment:
    """A paid payment of the API client ``site``."""
    payment = a_payment(**({"client_id": "site"} | fields))
    return apply(payment, opened(payment), told(payment, PaymentStatus.CAPTURED))


def authorized(**fields: Any) -> Payment:
    """A held payment of the API client ``site``."""
    payment = a_payment(**({"client_id": "site", "capture_mode": CaptureMode.TWO_STAGE} | fields))
    return apply(payment, opened(payment), told(payment, PaymentStatus.AUTHORIZED))


def unpaid(**fields: Any) -> Payment:
    """A payment of the API client ``site`` that waits for its customer."""
    payment = a_payment(**({"client_id": "site"} | fields))
    return apply(payment, opened(payment))


def performed(payment: Payment, operation_id: UUID, outcome: Outcome, **fields: Any) -> ProviderResult:
    """How the provider call for an operation ended."""
    operation = payment.operation(operation_id)
    assert operation is not None
    return ProviderResult(payment.id, operation_id, payment.provider, operation.action, outcome, **fields)
