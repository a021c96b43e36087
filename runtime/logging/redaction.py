"""Masks contacts, credentials, saved payment methods and card numbers in logs and in what operators are shown."""

import re
from typing import Any, Final

from runtime.logging.card_numbers import MASK, without_card_numbers

#: Names whose values are masked whatever they are.
_SECRET: Final = r"password|secret|token|api[-_]?key|authorization|cookie|signature"  # noqa: S105 - names of secrets
_NAMES: Final = re.compile(
    rf"{_SECRET}|contact|email|phone|saved_?method|method_?ref|rebill_?id|payment_?method_?id", re.IGNORECASE
)

_CONTACTS: Final = re.compile(r"[\w.+-]+(?:@|%40)[\w-]+\.[\w.-]+|\+\d[\d\s()-]{8,}\d")
#: Credentials by their form: API keys of ours, keys, webhook secrets and saved methods of Stripe, secret keys of
#: YooKassa, signed tokens (JWT), and what follows the scheme of an Authorization header.
_CREDENTIALS: Final = re.compile(
    r"\bbk_[0-9a-f]{12}_[\w-]{20,}|\b(?:sk|rk)_(?:live|test)_\w+|\bwhsec_[\w+/=]+|\bpm_\w{8,}|\b(?:live|test)_[\w-]{20,}"
    r"|\beyJ[\w-]+\.[\w-]+\.[\w-]*|(?<=\bBearer )[\w.~+/=-]+|(?<=\bBasic )[\w+/=]+"
)
_URL_PASSWORD: Final = re.compile(r"(\w+://[^:/\s]*:)[^@\s]+@")
#: ``name=value`` and ``"name": "value"`` inside a text.
_NAMED: Final = re.compile(rf"((?:{_SECRET})\w*[\"']?\s?[=:]\s?[\"']?)[^\s\"'&}}]+", re.IGNORECASE)


def redact(value: Any) -> Any:
    """The same JSON value with personal data and credentials masked, by name and, in texts, by form."""
    if isinstance(value, dict):
        return {
            key: MASK if _NAMES.search(str(key)) and not isinstance(item, bool | None) else redact(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    return redact_text(value) if isinstance(value, str) else value


def redact_text(text: str) -> str:
    """``text`` with contacts, credentials, card numbers and the passwords of URLs masked."""
    text = _URL_PASSWORD.sub(rf"\1{MASK}@", text)
    text = _CREDENTIALS.sub(MASK, text)
    text = _NAMED.sub(rf"\1{MASK}", text)
    return without_card_numbers(_CONTACTS.sub(MASK, text))
