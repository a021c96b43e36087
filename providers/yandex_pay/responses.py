"""Yandex Pay's answers as outcomes and observations."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

import msgspec

from billing.errors import InvalidMoney
from billing.messages import Observation, ObservedOperation, ProviderRequest
from billing.money import from_decimal_string
from billing.reasons import Reason
from billing.vocabulary import OperationStatus, OperationType, Outcome, PaymentStatus
from providers.base import CallResult, own_id
from providers.http import OK, by_status
from providers.own_words import provider_reason
from providers.reading import read_json

NOT_FOUND: Final = 404

#: reasonCode of a refusal → our decline reason. Others are ``declined``.
DECLINES: Final[dict[str, Reason]] = {
    "INSUFFICIENT_FUNDS": Reason.INSUFFICIENT_FUNDS,
    "CARD_EXPIRED": Reason.CARD_EXPIRED,
    "FRAUD": Reason.FRAUD_SUSPECTED,
    "ISSUER_UNAVAILABLE": Reason.ISSUER_UNAVAILABLE,
    "LIMIT_EXCEEDED": Reason.LIMIT_EXCEEDED,
    "3DS_FAILED": Reason.AUTHENTICATION_FAILED,
    "ORDER_CART_DATA_ERROR": Reason.INVALID_REQUEST,
    "BAD_FORMAT": Reason.INVALID_REQUEST,
    "VALIDATION_ERROR": Reason.INVALID_REQUEST,
    "ORDER_STATUS_MISMATCH": Reason.INVALID_STATE,
    "INCORRECT_ORDER_STATUS": Reason.INVALID_STATE,
    "ORDER_NOT_FOUND": Reason.ORDER_NOT_FOUND,
}
#: Refusals after which nothing happened *this time*: the same call can be repeated later.
BUSY: Final = frozenset({"ANOTHER_OPERATION_IN_PROGRESS"})
#: Refusals that mean it may have happened before; an inquiry resolves them. The first answers a repeated refund after it
#: succeeded, the second an order that is opened again.
ALREADY: Final = frozenset({"DUPLICATE_EXTERNAL_OPERATION_ID", "ORDER_ALREADY_EXISTS"})

#: Newer documents call a finished capture CONFIRMED.
_STATUSES: Final = {status.value: status for status in PaymentStatus} | {"CONFIRMED": PaymentStatus.CAPTURED}
_TYPES: Final = {
    type.value: type
    for type in (
        OperationType.AUTHORIZE,
        OperationType.CAPTURE,
        OperationType.VOID,
        OperationType.REFUND,
        OperationType.RECURRING,
    )
}
_OPERATION_STATUSES: Final = {status.value: status for status in OperationStatus}


class _Operation(msgspec.Struct, rename="camel"):
    operation_type: str
    operation_id: str | None = None
    status: str = "PENDING"
    external_operation_id: str | None = None
    amount: str | None = None
    reason: str | None = None


class _Order(msgspec.Struct, rename="camel"):
    payment_status: str | None = None
    payment_url: str | None = None
    reason: str | None = None
    currency_code: str | None = None
    updated: datetime | None = None


class Data(msgspec.Struct, rename="camel"):
    """The ``data`` of every answer, each with the members that it needs."""

    payment_url: str | None = None
    order: _Order | None = None
    operations: list[_Operation] | None = None
    operation: _Operation | None = None
    operation_id: str | None = None


class Success(msgspec.Struct):
    """The envelope of a success."""

    status: Literal["success"]
    data: Data


class _Failure(msgspec.Struct, rename="camel"):
    reason_code: str
    reason: str | None = None


def refused(status: int, headers: Mapping[str, str], body: bytes) -> CallResult | None:
    """The outcome of an answer that is no success; ``None`` for a success.

    Only the API's own envelope is evidence; an answer that a gateway made leaves the outcome unknown.
    """
    if (outcome := by_status(status, headers)) is not None:
        return outcome
    if status in OK:
        return None
    try:
        failure = read_json(body, _Failure)
    except msgspec.MsgspecError:
        return CallResult(Outcome.UNKNOWN, reason=Reason.UNREADABLE_ANSWER)
    code, said = failure.reason_code, provider_reason(failure.reason_code, failure.reason)
    if code in BUSY:
        return CallResult(Outcome.NOT_SENT, reason=Reason.PROVIDER_BUSY, provider_reason=said)
    if code in ALREADY:
        return CallResult(Outcome.UNKNOWN, reason=Reason.ALREADY_KNOWN, provider_reason=said)
    reason = Reason.ORDER_NOT_FOUND if status == NOT_FOUND else DECLINES.get(code, Reason.DECLINED)
    return CallResult(Outcome.DECLINED, reason=reason, provider_reason=said)


def opened(data: Data, order_ref: str) -> CallResult:
    """An order was opened."""
    if data.payment_url is None:
        return CallResult(Outcome.UNKNOWN, reason=Reason.UNREADABLE_ANSWER)
    return CallResult(Outcome.PENDING, order_ref, data.payment_url)


def charged(data: Data, order_ref: str) -> CallResult:
    """A charge of a saved method was accepted."""
    if data.operation_id is None:
        return CallResult(Outcome.UNKNOWN, reason=Reason.UNREADABLE_ANSWER)
    return CallResult(Outcome.PENDING, order_ref)


def inquired(data: Data, request: ProviderRequest) -> CallResult:
    """The order as an inquiry shows it."""
    order = data.order
    if order is None:
        return CallResult(Outcome.UNKNOWN, reason=Reason.UNREADABLE_ANSWER)
    # The document lets paymentStatus be null; an order that is there and has no status yet is not paid.
    status = PaymentStatus.PENDING if order.payment_status is None else status_of(order.payment_status)
    if status is None:
        return CallResult(Outcome.UNKNOWN, reason=Reason.UNKNOWN_STATUS)
    operations = tuple(_observed(o, request.currency) for o in data.operations or () if _is_known(o))
    captured, refunded = _amounts(status, operations)
    observed = Observation(
        status=status,
        operations=operations,
        captured=captured,
        refunded=refunded,
        currency=order.currency_code,
        at=order.updated,
        # Of a VOIDED order ``reason`` is the one that we sent.
        reason=DECLINES.get(order.reason, Reason.DECLINED) if order.reason and status is PaymentStatus.FAILED else None,
        method_ref=saved_method(request.order_ref, status) if request.save_method else None,
        provider_reason=provider_reason(order.reason) if status is PaymentStatus.FAILED else None,
    )
    return CallResult(Outcome.SUCCEEDED, payment_url=order.payment_url, observed=observed)


def operated(data: Data, currency: str) -> CallResult:
    """A capture, void or refund ended as the operation in the answer."""
    operation = data.operation
    if operation is None or not _is_known(operation):
        return CallResult(Outcome.PENDING)
    observed = Observation(operations=(_observed(operation, currency),))
    match operation.status:
        case "SUCCESS":
            return CallResult(Outcome.SUCCEEDED, provider_ref=operation.operation_id, observed=observed)
        case "FAIL":
            reason = DECLINES.get(operation.reason or "", Reason.DECLINED)
            return CallResult(Outcome.DECLINED, reason=reason, provider_reason=provider_reason(operation.reason))
        case _:
            return CallResult(Outcome.PENDING, provider_ref=operation.operation_id)


def _amounts(status: PaymentStatus, operations: Sequence[ObservedOperation]) -> tuple[int | None, int | None]:
    """What was captured and refunded in all, minor units; ``None`` where the listed operations do not show it."""

    def total(type: OperationType) -> int | None:
        amounts = [o.amount for o in operations if o.type is type and o.status is OperationStatus.SUCCESS]
        return None if None in amounts else sum(amount for amount in amounts if amount is not None)

    if not operations:
        return None, None
    # An order that is paid at once may list no CAPTURE; the status says that all is refunded.
    captured = total(OperationType.CAPTURE) or total(OperationType.RECURRING) or None
    return captured, None if status is PaymentStatus.REFUNDED else total(OperationType.REFUND)


def _is_known(operation: _Operation) -> bool:
    return operation.operation_type in _TYPES and operation.status in _OPERATION_STATUSES


def _observed(operation: _Operation, currency: str) -> ObservedOperation:
    return ObservedOperation(
        type=_TYPES[operation.operation_type],
        status=_OPERATION_STATUSES[operation.status],
        operation_id=own_id(operation.external_operation_id),
        provider_ref=operation.operation_id,
        amount=_amount(operation.amount, currency),
        reason=DECLINES.get(operation.reason, Reason.DECLINED) if operation.reason else None,
        provider_reason=provider_reason(operation.reason),
    )


def status_of(text: str | None) -> PaymentStatus | None:
    """The order's status; ``None`` for one we do not know."""
    return _STATUSES.get(text or "")


def saved_method(order_id: str, status: PaymentStatus | None) -> str | None:
    """The id of an order's saved method: the order's own, once it is paid."""
    return order_id if status in (PaymentStatus.AUTHORIZED, PaymentStatus.CAPTURED) else None


def operation_of(type: str, status: str, id: str, external: str | None) -> ObservedOperation | None:
    """An operation named in a callback; ``None`` for a kind we do not know."""
    operation = _Operation(operation_type=type, operation_id=id, status=status, external_operation_id=external)
    return _observed(operation, "RUB") if _is_known(operation) else None


def _amount(text: str | None, currency: str) -> int | None:
    try:
        return None if text is None else from_decimal_string(text, currency)
    except InvalidMoney:
        return None
