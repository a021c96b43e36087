"""Payments as rows: the rows of the domain's objects, and the objects read back from them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.messages import ProviderReason
from billing.orders import Cart, Contact, Item, Order, ReturnUrls, SubscriptionRef
from billing.payments.model import Operation, Payment
from billing.vocabulary import (
    Action,
    CaptureMode,
    ItemType,
    LearntBy,
    OperationStatus,
    OperationType,
    Outcome,
    PaymentStatus,
    Tax,
)
from storage.tables import CART_ITEMS, OPERATIONS, PAYMENTS, columns

_IDS = bindparam("ids", type_=ARRAY(Uuid))

_PAYMENTS = text(
    f"""
    SELECT {columns(PAYMENTS, prefix="p.")}, o.customer_id, o.return_urls, o.contact, o.metadata, o.subscription
    FROM payments p JOIN orders o ON o.id = p.order_id WHERE p.id = ANY(:ids)
    """  # noqa: S608
).bindparams(_IDS)
_VERSION = text("SELECT version FROM payments WHERE id = :id")
_ITEMS = text(
    f"SELECT {columns(CART_ITEMS)} FROM cart_items WHERE order_id = ANY(:ids) ORDER BY order_id, position"  # noqa: S608
).bindparams(_IDS)
_OPERATIONS = text(
    f"SELECT {columns(OPERATIONS)} FROM operations WHERE payment_id = ANY(:ids)"  # noqa: S608
    " ORDER BY payment_id, created_at, id"
).bindparams(_IDS)


async def load_payments(connection: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, Payment]:
    """The payments with these ids that exist."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    payments = (await connection.execute(_PAYMENTS, {"ids": wanted})).mappings().all()
    if not payments:
        return {}
    found = await connection.execute(_ITEMS, {"ids": [row["order_id"] for row in payments]})
    items = _grouped(found.mappings(), "order_id")
    found = await connection.execute(_OPERATIONS, {"ids": [row["id"] for row in payments]})
    operations = _grouped(found.mappings(), "payment_id")
    return {row["id"]: _payment(row, items.get(row["order_id"], []), operations.get(row["id"], [])) for row in payments}


async def version_of(connection: AsyncConnection, id: UUID) -> int | None:
    """The payment's version; ``None`` if there is no such payment."""
    found: int | None = (await connection.execute(_VERSION, {"id": id})).scalar_one_or_none()
    return found


def _grouped(rows: Iterable[Mapping[Any, Any]], key: str) -> dict[UUID, list[Mapping[Any, Any]]]:
    groups: dict[UUID, list[Mapping[Any, Any]]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups


def order_row(payment: Payment) -> dict[str, Any]:
    order = payment.order
    return {
        "id": order.id,
        "customer_id": order.customer_id,
        "currency": order.currency,
        "amount": order.amount,
        "return_urls": order.return_urls,
        "contact": order.contact,
        "metadata": order.metadata,
        "created_at": payment.created_at,
        "subscription": order.subscription,
    }


def item_rows(order: Order) -> list[dict[str, Any]]:
    return [
        {"order_id": order.id, "position": position} | msgspec.structs.asdict(item)
        for position, item in enumerate(order.cart.items)
    ]


def payment_row(payment: Payment) -> dict[str, Any]:
    return {
        "id": payment.id,
        "client_id": payment.client_id,
        "fingerprint": payment.fingerprint,
        "order_id": payment.order.id,
        "provider": payment.provider,
        "capture_mode": payment.capture_mode,
        "status": payment.status,
        "version": payment.version,
        "order_ref": payment.order_ref,
        "currency": payment.order.currency,
        "amount": payment.order.amount,
        "authorized": payment.authorized,
        "captured": payment.captured,
        "refunded": payment.refunded,
        "refund_pending": payment.refund_pending,
        "payment_url": payment.payment_url,
        "reason": payment.reason,
        "hold_s": payment.hold_s,
        "save_method": payment.save_method,
        "saved_method": payment.saved_method,
        "method_ref": payment.method_ref,
        "created_at": payment.created_at,
        "updated_at": payment.updated_at,
        "expires_at": payment.expires_at,
        "alternatives": payment.alternatives,
        "contradiction": payment.contradiction,
        "method_title": payment.method_title,
        "method_expires": payment.method_expires,
        "not_after": payment.not_after,
        "withdrawn": payment.withdrawn,
        "charged_back": payment.charged_back,
        "refunds_blocked": payment.refunds_blocked,
        "method_last4": payment.method_last4,
    }


def operation_row(payment: Payment, operation: Operation) -> dict[str, Any]:
    return {
        "id": operation.id,
        "payment_id": payment.id,
        "type": operation.type,
        "action": operation.action,
        "status": operation.status,
        "amount": operation.amount,
        "provider": operation.provider,
        "provider_ref": operation.provider_ref,
        "outcome": operation.outcome,
        "reason": operation.reason,
        "chases": operation.follow_ups,
        "answered": operation.answered,
        "next_chase_at": operation.next_follow_up_at,
        "cart": operation.cart,
        "corrections": operation.corrections,
        "fingerprint": operation.fingerprint,
        "provider_reason": operation.provider_reason,
        "retry_after_s": operation.retry_after_s,
        "asked_at": operation.asked_at,
        "learnt_by": operation.learnt_by,
        "occurred_at": operation.occurred_at,
        "version": payment.version,
        "created_at": operation.created_at,
        "updated_at": operation.updated_at,
    }


def _payment(
    row: Mapping[Any, Any], items: Sequence[Mapping[Any, Any]], operations: Sequence[Mapping[Any, Any]]
) -> Payment:
    order = Order(
        id=row["order_id"],
        customer_id=row["customer_id"],
        currency=row["currency"],
        amount=row["amount"],
        cart=Cart(tuple(_item(item) for item in items)),
        return_urls=None if row["return_urls"] is None else msgspec.convert(row["return_urls"], ReturnUrls),
        contact=None if row["contact"] is None else msgspec.convert(row["contact"], Contact),
        metadata=row["metadata"],
        subscription=None if row["subscription"] is None else msgspec.convert(row["subscription"], SubscriptionRef),
    )
    return Payment(
        id=row["id"],
        client_id=row["client_id"],
        fingerprint=row["fingerprint"],
        order=order,
        provider=row["provider"],
        capture_mode=CaptureMode(row["capture_mode"]),
        status=PaymentStatus(row["status"]),
        version=row["version"],
        order_ref=row["order_ref"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        expires_at=row["expires_at"],
        hold_s=row["hold_s"],
        save_method=row["save_method"],
        saved_method=row["saved_method"],
        method_ref=row["method_ref"],
        authorized=row["authorized"],
        captured=row["captured"],
        refunded=row["refunded"],
        payment_url=row["payment_url"],
        reason=row["reason"],
        alternatives=tuple(row["alternatives"]),
        contradiction=row["contradiction"],
        method_title=row["method_title"],
        method_expires=row["method_expires"],
        not_after=row["not_after"],
        withdrawn=row["withdrawn"],
        charged_back=row["charged_back"] or 0,
        refunds_blocked=bool(row["refunds_blocked"]),
        method_last4=row["method_last4"],
        operations=tuple(_operation(operation) for operation in operations),
    )


def _item(row: Mapping[Any, Any]) -> Item:
    return Item(
        product_id=row["product_id"],
        title=row["title"],
        quantity=row["quantity"],
        unit_price=row["unit_price"],
        type=ItemType(row["type"]),
        tax=Tax(row["tax"]),
        subject=row["subject"],
        method=row["method"],
        measure=row["measure"],
    )


def _operation(row: Mapping[Any, Any]) -> Operation:
    return Operation(
        id=row["id"],
        type=OperationType(row["type"]),
        action=Action(row["action"]),
        status=OperationStatus(row["status"]),
        amount=row["amount"],
        provider=row["provider"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        outcome=None if row["outcome"] is None else Outcome(row["outcome"]),
        provider_ref=row["provider_ref"],
        reason=row["reason"],
        follow_ups=row["chases"],
        answered=row["answered"] or 0,
        retry_after_s=row["retry_after_s"],
        asked_at=row["asked_at"],
        learnt_by=None if row["learnt_by"] is None else LearntBy(row["learnt_by"]),
        occurred_at=row["occurred_at"],
        next_follow_up_at=row["next_chase_at"],
        cart=None if row["cart"] is None else msgspec.convert(row["cart"], Cart),
        corrections=tuple(row["corrections"]),
        fingerprint=row["fingerprint"],
        provider_reason=None
        if row["provider_reason"] is None
        else msgspec.convert(row["provider_reason"], ProviderReason),
    )
