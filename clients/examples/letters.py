"""What a notification service writes: a template filled with a signal's data. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from string import Template

from billing.money import Money
from billing.signals import Notification

#: Folder of the texts: the first line of a file is the subject. A template that has no file is a defect of ours.
TEMPLATES = resources.files("clients.examples") / "templates"


@dataclass(frozen=True, slots=True)
class Letter:
    """What the customer reads."""

    customer_id: str
    subject: str
    body: str


def write(notification: Notification) -> Letter:
    """The letter of a notification; :class:`FileNotFoundError` for a template that we have no text for."""
    text = (TEMPLATES / f"{notification.template}.txt").read_text("utf-8")
    subject, _, body = Template(text).substitute(_words(notification)).partition("\n")
    return Letter(notification.customer_id, subject, body.strip())


def _words(notification: Notification) -> Mapping[str, str]:
    data = notification.data
    return {
        "amount": str(Money(data.amount, data.currency)),
        "items": ", ".join(item.title for item in data.items),
        "reason": (data.reason or "unknown").replace("_", " "),
        "payment": str(data.payment_id),
    }
