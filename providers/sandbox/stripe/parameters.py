"""Form parameters with brackets, read as Stripe reads them, and what is wrong with them."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from billing.errors import InvalidMoney
from billing.money import exponent


class Refused(Exception):
    """A refusal. ``kept``: it is the answer to the idempotency key from now on, since the call had
    begun; ``more``: further fields of the error."""

    def __init__(
        self,
        status: int,
        type: str,
        message: str,
        code: str | None = None,
        *,
        kept: bool = True,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"type": type, "message": message, "code": code, **more}
        self.kept = kept


def invalid(message: str, param: str, code: str | None = None) -> Refused:
    """A parameter that cannot be: nothing begins, and nothing is kept."""
    return Refused(400, "invalid_request_error", message, code, kept=False, param=param)


def decode(text: str) -> dict[str, Any]:
    """``a[b][0]=1`` → ``{"a": {"b": {"0": "1"}}}``."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        place = found
        *outer, last = name.replace("]", "").split("[")
        for key in outer:
            place = place.setdefault(key, {})
            if not isinstance(place, dict):
                raise invalid("a parameter is both a value and an object", name)
        place[last] = value
    return found


def text(params: Mapping[str, Any], name: str) -> str:
    """A required parameter."""
    value = params.get(name)
    if not isinstance(value, str) or not value:
        raise invalid(f"Missing required param: {name}.", name, "parameter_missing")
    return value


def integer(params: Mapping[str, Any], name: str) -> int:
    """A required whole number."""
    value = text(params, name)
    if not value.lstrip("-").isdecimal():
        raise invalid(f"Invalid integer: {value}", name, "parameter_invalid_integer")
    return int(value)


def flag(params: Mapping[str, Any], name: str) -> bool:
    """A boolean, false where it is not there."""
    return params.get(name) == "true"


def nested(params: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An object, empty where it is not there."""
    value = params.get(name, {})
    if not isinstance(value, dict):
        raise invalid("an object is expected", name)
    return value


def items(params: Mapping[str, Any], name: str) -> Iterable[dict[str, Any]]:
    """A list of objects."""
    for value in nested(params, name).values():
        if not isinstance(value, dict):
            raise invalid("a list of objects is expected", name)
        yield value


def money(params: Mapping[str, Any], name: str, currency: str) -> int:
    """An amount in minor units; of a three-decimal currency the last digit is zero."""
    amount = integer(params, name)
    try:
        decimals = exponent(currency)
    except InvalidMoney:
        raise invalid(f"Invalid currency: {currency.lower()}", "currency") from None
    if amount < 0 or (decimals == 3 and amount % 10):  # noqa: PLR2004
        raise invalid("Invalid amount", name, "parameter_invalid_integer")
    return amount
