"""What people and machines that watch the service are not shown: contacts and whatever opens a door."""

import re
from typing import Any, Final

from runtime.logging.card_numbers import MASK, without_card_numbers

_KEYS: Final = re.compile(
    r"password|secret|token|api[-_]?key|authorization|cookie|signature|contact|email|phone|saved_?method|method_?ref",
    re.IGNORECASE,
)
_CONTACTS: Final = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+|\+\d[\d\s()-]{8,}\d")


def redact(value: Any) -> Any:
    """The same JSON value with personal data and keys masked, by name and, in texts, by form."""
    if isinstance(value, dict):
        return {
            key: MASK if _KEYS.search(key) and not isinstance(item, bool | None) else redact(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    return without_card_numbers(_CONTACTS.sub(MASK, value)) if isinstance(value, str) else value
