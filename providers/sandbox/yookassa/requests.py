"""Which requests YooKassa accepts, and its refusals of the others."""

from typing import Any, Final

from billing.errors import InvalidMoney
from billing.money import from_decimal_string
from providers.sandbox.yookassa.errors import Refused

CURRENCY: Final = "RUB"
#: One rouble, in kopecks.
MINIMUM: Final = 100
MAX_DESCRIPTION: Final = 128
MAX_METADATA: Final = 16


def amount(body: dict[str, Any]) -> int:
    """``amount`` in kopecks. A number is taken for its text: clients of the real service send it so."""
    given = body.get("amount")
    if not isinstance(given, dict) or given.get("currency") != CURRENCY:
        raise Refused(400, "the currency is not the shop's", "amount.currency")
    value = given.get("value", "")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Refused(400, "not an amount", "amount.value")
    try:
        minor = from_decimal_string(str(value), CURRENCY)
    except InvalidMoney as error:
        raise Refused(400, str(error), "amount.value") from error
    if minor < MINIMUM:
        raise Refused(400, "less than a rouble", "amount.value")
    return minor


def description(body: dict[str, Any]) -> str | None:
    """``description``."""
    text = body.get("description")
    if text is not None and (not isinstance(text, str) or len(text) > MAX_DESCRIPTION):
        raise Refused(400, "too long", "description")
    return text


def metadata(body: dict[str, Any]) -> dict[str, str]:
    """``metadata``."""
    given = body.get("metadata", {})
    if not isinstance(given, dict) or len(given) > MAX_METADATA:
        raise Refused(400, "not a short mapping", "metadata")
    return given


def return_url(body: dict[str, Any]) -> str:
    """Where ``confirmation`` leads back to."""
    confirmation = body.get("confirmation")
    if not isinstance(confirmation, dict) or confirmation.get("type") != "redirect":
        raise Refused(400, "only the redirect is imitated", "confirmation.type")
    url = confirmation.get("return_url")
    if not isinstance(url, str) or not url:
        raise Refused(400, "missing", "confirmation.return_url")
    return url


def receipt(body: dict[str, Any], total: int) -> dict[str, Any]:
    """``receipt``, if there is one: it names a customer, and its lines add up to ``total`` (kopecks)."""
    given = body.get("receipt")
    if given is None:
        return {}
    if not isinstance(given, dict) or not given.get("items") or not given.get("customer"):
        raise Refused(400, "no items, or no customer", "receipt")
    try:
        lines = sum(from_decimal_string(i["amount"]["value"], CURRENCY) * i["quantity"] for i in given["items"])
    except (InvalidMoney, LookupError, TypeError) as error:
        raise Refused(400, repr(error), "receipt.items") from error
    if lines != total:
        raise Refused(400, f"the lines come to {lines}, the amount is {total}", "receipt.items")
    return given
