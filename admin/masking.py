"""Personal data as pages show it before somebody reveals it: enough to ask the customer, too little to know."""

import re
from typing import Final

from billing.orders import Contact
from runtime.logging.redaction import redact_text

_HIDDEN: Final = "•••"
#: Digits of a method that are not its last four.
_EARLIER_DIGITS: Final = re.compile(r"\d(?=(?:\D*\d){4})")


def masked_contact(contact: Contact) -> list[str]:
    """``a•••@•••.org``, ``+7•••67``: the first letter and the last part of an address, both ends of a number."""
    shown = []
    if contact.email:
        name, _, host = contact.email.partition("@")
        shown.append(f"{name[:1]}{_HIDDEN}@{_HIDDEN}.{host.rpartition('.')[2]}")
    if contact.phone:
        shown.append(f"{contact.phone[:2]}{_HIDDEN}{contact.phone[-2:]}")
    return shown


def masked_title(title: str | None) -> str:
    """The name of a saved method with no more than its last four digits, and no address."""
    return _EARLIER_DIGITS.sub("*", redact_text(title)) if title else ""
