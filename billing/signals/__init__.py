"""Signals to other services when a payment or a subscription changes: a customer's access to products, and notifications;
and to finance, of what clearing finds.

A signal is sent at least once. Its ``message_id`` is the same each time, and an access signal carries a version, so
that a consumer can drop repeats and late arrivals.
"""

from types import MappingProxyType
from typing import Any, Final, get_args

from billing.messages.clearing_events import ClearingMessage
from billing.messages.events import PaymentChanged
from billing.messages.subscription_events import SubscriptionChanged
from billing.signals.bodies import (
    ALLOW_ACCESS_KEY,
    CHARGEBACK_KEY,
    DAY_CLOSED_KEY,
    DENY_ACCESS_KEY,
    DISCREPANCY_FOUND_KEY,
    PAYMENT_FAILED_KEY,
    PAYMENT_SUCCEEDED_KEY,
    PAYMENT_VOIDED_KEY,
    REFUNDED_KEY,
    STATEMENT_MISSING_KEY,
    Access,
    AccessAction,
    BooksDay,
    Chargeback,
    Discrepancy,
    Notification,
    NotificationData,
    Signal,
    StatementMissing,
    SubscriptionNotification,
    SubscriptionNotificationData,
    notice_key,
    signal_type,
)
from billing.signals.clearing import chargebacks_of, signals_for_clearing
from billing.signals.payments import signals_for_payment
from billing.signals.subscriptions import signals_for_subscription
from billing.subscriptions.vocabulary import NoticeName

#: Routing key of a notification → its body.
NOTIFICATION_BODIES: Final[MappingProxyType[str, type[Notification | SubscriptionNotification]]] = MappingProxyType(
    {
        PAYMENT_SUCCEEDED_KEY: Notification,
        PAYMENT_FAILED_KEY: Notification,
        PAYMENT_VOIDED_KEY: Notification,
        REFUNDED_KEY: Notification,
        **{notice_key(name): SubscriptionNotification for name in get_args(NoticeName)},
    }
)

#: Routing key of a signal to finance → its body.
FINANCE_BODIES: Final[MappingProxyType[str, type[Discrepancy | StatementMissing | Chargeback | BooksDay]]] = (
    MappingProxyType(
        {
            DISCREPANCY_FOUND_KEY: Discrepancy,
            STATEMENT_MISSING_KEY: StatementMissing,
            CHARGEBACK_KEY: Chargeback,
            DAY_CLOSED_KEY: BooksDay,
        }
    )
)

#: Routing key → the body of the signal.
SIGNAL_BODIES: Final[MappingProxyType[str, type[Any]]] = MappingProxyType(
    {ALLOW_ACCESS_KEY: Access, DENY_ACCESS_KEY: Access, **NOTIFICATION_BODIES, **FINANCE_BODIES}
)


def signals_for(event: PaymentChanged | SubscriptionChanged | ClearingMessage) -> tuple[Signal, ...]:
    """The signals that one change causes. The same event gives the same signals with the same ids."""
    match event:
        case PaymentChanged():
            return (*signals_for_payment(event), *chargebacks_of(event))
        case SubscriptionChanged():
            return signals_for_subscription(event)
        case _:
            return signals_for_clearing(event)


__all__ = [
    "ALLOW_ACCESS_KEY",
    "CHARGEBACK_KEY",
    "DAY_CLOSED_KEY",
    "DENY_ACCESS_KEY",
    "DISCREPANCY_FOUND_KEY",
    "FINANCE_BODIES",
    "NOTIFICATION_BODIES",
    "PAYMENT_FAILED_KEY",
    "PAYMENT_SUCCEEDED_KEY",
    "PAYMENT_VOIDED_KEY",
    "REFUNDED_KEY",
    "SIGNAL_BODIES",
    "STATEMENT_MISSING_KEY",
    "Access",
    "AccessAction",
    "BooksDay",
    "Chargeback",
    "Discrepancy",
    "Notification",
    "NotificationData",
    "Signal",
    "StatementMissing",
    "SubscriptionNotification",
    "SubscriptionNotificationData",
    "notice_key",
    "signal_type",
    "signals_for",
]
