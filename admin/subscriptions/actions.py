"""What people can do to a subscription, as data, and what their forms say as commands. Pure."""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid5

import msgspec

from admin.formatting import from_local
from admin.language import N_, gettext
from admin.payments.actions import InvalidForm, Typed
from admin.people.permissions import Permission
from billing.messages.subscription_commands import (
    CancelSubscription,
    ExtendPeriod,
    KeepSubscription,
    PayNow,
    SubscriptionCommand,
    When,
)
from billing.subscriptions.model import Subscription
from billing.subscriptions.prices import RefundRule

#: The fields of the forms, which the confirmation repeats.
FIELDS: Final = ("reason", "refund", "until")
#: No date further ahead is meant.
FURTHEST: Final = timedelta(days=3 * 366)


class Action(NamedTuple):
    """Something that a person can do. ``label``, ``explains``: for people; ``gives_back``: money may leave us by it."""

    name: str
    label: str
    explains: str
    permission: Permission
    build: Callable[[Subscription, Typed, dict[str, Any]], SubscriptionCommand]
    gives_back: bool = False


def command_id(subscription: Subscription, action: Action, typed: Typed) -> UUID:
    """The id of the command that the form asks for: the same however often it is sent."""
    return uuid5(subscription.id, f"admin/{action.name}/{typed.key}")


def command_of(subscription: Subscription, action: Action, typed: Typed, at: datetime | None) -> SubscriptionCommand:
    """The command. ``at``: the time of the test clock by which the subscription lives. Raises
    :class:`~admin.payments.actions.InvalidForm`."""
    said = msgspec.json.encode([action.name, *(typed.get(name) for name in FIELDS)])
    members = {
        "subscription_id": subscription.id,
        "command_id": command_id(subscription, action, typed),
        "fingerprint": hashlib.sha256(said).hexdigest(),
        "at": at,
        "if_version": subscription.version,
    }
    return action.build(subscription, typed, members)


def _cancel(_: Subscription, typed: Typed, members: dict[str, Any]) -> SubscriptionCommand:
    return CancelSubscription(**members, when=When.AT_END, by=f"operator:{typed.operator}", comment=typed.reason)


def _end(_: Subscription, typed: Typed, members: dict[str, Any]) -> SubscriptionCommand:
    try:
        refund = RefundRule(typed.get("refund")) if typed.get("refund") else None
    except ValueError:
        raise InvalidForm(gettext("Choose what is given back.")) from None
    by = f"operator:{typed.operator}"
    return CancelSubscription(**members, when=When.NOW, refund=refund, by=by, comment=typed.reason)


def _keep(_: Subscription, typed: Typed, members: dict[str, Any]) -> SubscriptionCommand:
    return KeepSubscription(**members, operator=typed.operator, reason=typed.reason)


def _extend(subscription: Subscription, typed: Typed, members: dict[str, Any]) -> SubscriptionCommand:
    try:
        until = datetime.fromisoformat(typed.get("until"))
    except ValueError:
        raise InvalidForm(gettext("Give the new end as a date and a time.")) from None
    until = from_local(until)
    if subscription.period is not None and until - subscription.period.end_at > FURTHEST:
        raise InvalidForm(gettext("The new end is at most three years behind the present one."))
    return ExtendPeriod(**members, until=until, operator=typed.operator, reason=typed.reason)


def _pay(subscription: Subscription, typed: Typed, members: dict[str, Any]) -> SubscriptionCommand:
    return PayNow(**members, provider=subscription.provider, operator=typed.operator, reason=typed.reason)


ACTIONS: Final = {
    action.name: action
    for action in (
        Action(
            "cancel",
            N_("Cancel at its end"),
            N_("It runs to the end of what is paid for, and is not charged again. What was declined is not owed."),
            Permission.SUBSCRIPTIONS,
            _cancel,
        ),
        Action(
            "end",
            N_("Cancel now"),
            N_("It ends at once, with its access. What is given back is asked of the payment of the running period."),
            Permission.SUBSCRIPTIONS,
            _end,
            gives_back=True,
        ),
        Action(
            "keep",
            N_("Take the cancellation back"),
            N_("It renews again at the end of its period."),
            Permission.SUBSCRIPTIONS,
            _keep,
        ),
        Action(
            "pay",
            N_("Open a page to pay"),
            N_(
                "For a renewal that was declined: the provider opens a page, and you give its address to the customer. "
                "The method that they pay with is charged from then on."
            ),
            Permission.SUBSCRIPTIONS,
            _pay,
        ),
        Action(
            "extend",
            N_("Extend"),
            N_(
                "Give time: the paid period ends later. A declined renewal is forgotten, and the next one is due at the new end."
            ),
            Permission.EXTEND,
            _extend,
        ),
    )
}
