"""The signals of a subscription's change."""

from billing.messages.subscription_events import AccessView, Notice, SubscriptionChanged
from billing.signals.bodies import (
    ALLOW_ACCESS_KEY,
    DENY_ACCESS_KEY,
    Access,
    AccessAction,
    Signal,
    SubscriptionNotification,
    SubscriptionNotificationData,
    access_version,
    notice_key,
    signal_type,
    template_of,
)


def signals_for_subscription(event: SubscriptionChanged) -> tuple[Signal, ...]:
    """The signals that one change of a subscription causes. The same event gives the same signals with the same ids."""
    access = () if event.access is None else _access(event, event.access)
    return (*access, *(_notification(event, notice) for notice in event.notices))


def _access(event: SubscriptionChanged, access: AccessView) -> tuple[Signal, ...]:
    """Another end of the access is a signal too: a consumer that knows the old end would close too early or too late."""
    lost = tuple(product for product in access.before if product not in access.products)
    signals = []
    if access.products:
        signals.append(_access_signal(event, ALLOW_ACCESS_KEY, AccessAction.ALLOW_ACCESS, access.products))
    if lost:
        signals.append(_access_signal(event, DENY_ACCESS_KEY, AccessAction.DENY_ACCESS, lost))
    return tuple(signals)


def _access_signal(
    event: SubscriptionChanged, routing_key: str, action: AccessAction, products: tuple[str, ...]
) -> Signal:
    id = event.subscription_id
    body = Access(
        action=action,
        customer_id=event.customer_id,
        products=products,
        payment_id=id,
        version=access_version(event.changed_at),
        reason=f"subscription {event.status.value.lower()}",
        valid_until=event.access_until if action is AccessAction.ALLOW_ACCESS else None,
        subscription_id=id,
    )
    message_id = f"{id}:{event.version}:{routing_key}"
    return Signal(routing_key, message_id, signal_type(routing_key), id, event.changed_at, body)


def _notification(event: SubscriptionChanged, notice: Notice) -> Signal:
    routing_key = notice_key(notice.name)
    data = SubscriptionNotificationData(
        subscription_id=event.subscription_id,
        plan=notice.plan,
        title=notice.title,
        amount=notice.amount,
        currency=notice.currency,
        at=notice.at,
        access_until=notice.access_until,
        ends_at=notice.ends_at,
        next_try_at=notice.next_try_at,
        reason=notice.reason,
        method_title=notice.method_title,
    )
    return Signal(
        routing_key,
        message_id=f"{event.subscription_id}:{event.version}:{notice.name}",
        type=signal_type(routing_key),
        payment_id=event.subscription_id,
        occurred_at=event.changed_at,
        body=SubscriptionNotification(template_of(routing_key), event.customer_id, data),
    )
