"""Form encoding as Stripe's API reads it: nested parameters in brackets, ``line_items[0][quantity]=1``."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode


def encode(body: Mapping[str, Any]) -> str:
    """A body, in the order of its keys. Booleans are ``true`` and ``false``; ``None`` is left out."""
    return urlencode([pair for name, value in body.items() for pair in _pairs(name, value)])


def _pairs(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _pairs(f"{name}[{key}]", inner)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, inner in enumerate(value):
            yield from _pairs(f"{name}[{index}]", inner)
    else:
        yield name, str(value).lower() if isinstance(value, bool) else str(value)
