"""The letters of a notification service: a template with the data of a signal. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from string import Template

from billing.money import Money
from billing.signals import Notification

#: Folder of the templates: the first line of a file is the subject. Every template of the signals has a file.
TEMPLATES = resources.files("clients.examples") / "templates"


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter to a customer."""

    customer_id: str
    subject: str
    body: str


def write(notification: Notification) -> Letter:
    """The letter for a notification; raises :class:`FileNotFoundError` for an unknown template."""
    text = (TEMPLATES / f"{notification.template}.txt").read_text("utf-8")
    subject, _, body = Template(text).substitute(_substitutions(notification)).partition("\n")
    return Letter(notification.customer_id, subject, body.strip())


def _substitutions(notification: Notification) -> Mapping[str, str]:
    data = notification.data
    return {
        "amount": str(Money(data.amount, data.currency)),
        "items": ", ".join(item.title for item in data.items),
        "reason": (data.reason or "unknown").replace("_", " "),
        "payment": str(data.payment_id),
    }
