"""The letters of a notification service: a template with the data of a signal. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from string import Template

from billing.money import Money
from billing.signals import Notification, NotificationData, SubscriptionNotification, SubscriptionNotificationData

#: Folder of the templates: the first line of a file is the subject. Every template of the signals has a file.
TEMPLATES = resources.files("clients.examples") / "templates"


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter to a customer."""

    customer_id: str
    subject: str
    body: str


def write(notification: Notification | SubscriptionNotification) -> Letter:
    """The letter for a notification; raises :class:`FileNotFoundError` for an unknown template."""
    text = (TEMPLATES / f"{notification.template}.txt").read_text("utf-8")
    subject, _, body = Template(text).substitute(_substitutions(notification.data)).partition("\n")
    return Letter(notification.customer_id, subject, body.strip())


def _substitutions(data: NotificationData | SubscriptionNotificationData) -> Mapping[str, str]:
    values = {
        "amount": str(Money(data.amount, data.currency)),
        "reason": (data.reason or "unknown").replace("_", " "),
    }
    if isinstance(data, NotificationData):
        return values | {"items": ", ".join(item.title for item in data.items), "payment": str(data.payment_id)}
    next_try = "We do not try again by ourselves"
    if data.next_try_at is not None:
        next_try = f"We try again on {_day(data.next_try_at)}"
    return values | {
        "title": data.title,
        "at": _day(data.at),
        "access_until": _day(data.access_until),
        "ends_at": _day(data.ends_at),
        "next_try": next_try,
        "method": data.method_title or "your saved method",
        "subscription": str(data.subscription_id),
    }


def _day(moment: datetime | None) -> str:
    return "the end of the period" if moment is None else f"{moment.day} {moment:%B %Y, %H:%M} UTC"
