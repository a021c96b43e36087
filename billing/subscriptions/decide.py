"""``decide()``: what follows from one message to one subscription. A pure function."""

from collections.abc import Callable
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from billing.errors import InvalidMessage
from billing.messages import Message, PaymentOutcome
from billing.messages.subscription_commands import (
    CancelSubscription,
    ChangeMethod,
    ExtendPeriod,
    KeepSubscription,
    MethodRemoved,
    PayNow,
    Subscribe,
    SubscriptionCommand,
    Wake,
)
from billing.subscriptions import commands, outcomes, wake
from billing.subscriptions.decision import Decision, refuse
from billing.subscriptions.guard import guard_refusal
from billing.subscriptions.model import Subscription

#: The version of these rules. Raise it with a change after which an old journal would be decided otherwise.
RULES: Final = 2


def decide(subscription: Subscription | None, message: Message, now: datetime) -> Decision:
    """Apply ``message`` to ``subscription`` (``None``: no subscription has this id) at ``now`` (UTC).

    Repeated and late messages converge: a fact that is known already changes nothing, and a wake-up does what is due by
    the subscription's own agenda. Raises :class:`~billing.errors.InvalidMessage` for a message that can never be applied,
    and :class:`~billing.errors.InvariantBroken` where time would be sold twice.
    """
    if isinstance(message, Subscribe):
        return commands.subscribe(message, subscription, _moment(subscription, message, now))
    handler = _HANDLERS.get(type(message))
    if handler is None:
        raise InvalidMessage(f"{message.TYPE} is not a message to a subscription")
    if subscription is None:
        if isinstance(message, SubscriptionCommand):
            return refuse(None, message, "subscription_not_found", "there is no such subscription")
        raise InvalidMessage(f"subscription {message.subject_id} is not known")
    moment = _moment(subscription, message, now)
    if isinstance(message, SubscriptionCommand):
        if (repeat := commands.repeated(message, subscription, moment)) is not None:
            return repeat
        if (refusal := guard_refusal(message, subscription)) is not None:
            return refuse(subscription, message, *refusal)
    return handler(message, subscription, moment)


def _moment(subscription: Subscription | None, message: Message, now: datetime) -> datetime:
    """The time by which a message is judged (UTC): by a test clock, the message's own ``at``, never before ``clock_at``, and
    ``clock_at`` for what comes in real time; else the message's own, or now. A life without a clock begins in real time."""
    clock = None if subscription is None else subscription.clock_at
    if isinstance(message, Subscribe) and message.clock_id is None:
        return now if clock is None else max(now, clock)
    if isinstance(message, PaymentOutcome):
        return message.at if clock is None else clock
    if isinstance(message, (Wake, SubscriptionCommand)) and message.at is not None:
        return message.at if clock is None else max(message.at, clock)
    return now if clock is None else clock


_HANDLERS: Final[MappingProxyType[type[Message], Callable[[Any, Subscription, datetime], Decision]]] = MappingProxyType(
    {
        CancelSubscription: commands.cancel,
        KeepSubscription: commands.keep,
        PayNow: commands.pay_now,
        ChangeMethod: commands.change_method,
        ExtendPeriod: commands.extend,
        MethodRemoved: commands.method_removed,
        Wake: wake.wake,
        PaymentOutcome: outcomes.outcome,
    }
)
