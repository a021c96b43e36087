"""HTTP exchanges of a provider call, masked for the log.

Every exchange is kept until the call ends, as it was sent and received; it is parsed and masked only when it is logged.
Headers are never kept, because ours carry the key.
"""

import re
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, Final
from urllib.parse import parse_qsl

import aiohttp
import msgspec

from providers.reading import read_json
from runtime.logging.card_numbers import MASK
from runtime.logging.redaction import redact

#: Characters of a body that are shown.
SHOWN: Final = 2_000
#: Items of a list, and exchanges of a call, that are shown: a search reads many pages, and masking them all takes longer
#: than the search.
ITEMS_SHOWN: Final = 3
EXCHANGES_SHOWN: Final = 4
#: Shown in place of JSON that is nested too deeply to be masked.
TOO_DEEP: Final = "(nested too deeply)"
#: Providers' field names for saved methods, customers, cards and products, in every spelling.
_PRIVATE: Final = re.compile(
    r"rebill_?id|parent_?order_?id|customer(_?key|_?id|_details)?|payment_?method(_?id|_data|_details)?"
    r"|billing_details|pan|exp_?date|card|title|name|purpose|description|product_?id",
    re.IGNORECASE,
)
_BRACKETS: Final = re.compile(r"[\[\]]+")


class Exchange(msgspec.Struct):
    """One request and its answer. ``status`` is 0 without an answer."""

    call: str
    sent: bytes = b""
    status: int = 0
    received: bytes = b""

    def masked(self) -> dict[str, Any]:
        """For a log: without keys, contacts, customers, cards, saved methods and product names."""
        return {
            "call": self.call,
            "sent": _shown(self.sent),
            "status": self.status or None,
            "received": _shown(self.received),
        }


_current: ContextVar[list[Exchange] | None] = ContextVar("exchanges", default=None)


def record() -> list[Exchange]:
    """Record this task's exchanges from now on; the list that they are appended to."""
    exchanges: list[Exchange] = []
    _current.set(exchanges)
    return exchanges


def tracing() -> aiohttp.TraceConfig:
    """The trace configuration with which a session records its exchanges."""
    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(_started)
    trace.on_request_chunk_sent.append(_sent)
    trace.on_request_end.append(_ended)
    return trace


def received(body: bytes) -> None:
    """Record the answer of the last request."""
    if exchanges := _current.get():
        exchanges[-1].received = body


def masked(exchanges: Sequence[Exchange]) -> list[dict[str, Any]]:
    """The last of them, for a log, and how many came before."""
    earlier = len(exchanges) - EXCHANGES_SHOWN
    shown = [exchange.masked() for exchange in exchanges[-EXCHANGES_SHOWN:]]
    return shown if earlier < 1 else [{"earlier": earlier}, *shown]


async def _started(_session: object, _context: object, params: aiohttp.TraceRequestStartParams) -> None:
    if (exchanges := _current.get()) is not None:
        exchanges.append(Exchange(f"{params.method} {params.url.path}"))


async def _sent(_session: object, _context: object, params: aiohttp.TraceRequestChunkSentParams) -> None:
    if exchanges := _current.get():
        exchanges[-1].sent += params.chunk


async def _ended(_session: object, _context: object, params: aiohttp.TraceRequestEndParams) -> None:
    if exchanges := _current.get():
        exchanges[-1].status = params.response.status


def _shown(body: bytes) -> Any:
    """JSON and forms are masked by field name; any other text by pattern."""
    if not body:
        return None
    try:
        value = read_json(body, object)
    except msgspec.DecodeError:
        text = body.decode(errors="replace")
        value = text if "=" not in text or "<" in text else dict(parse_qsl(text, keep_blank_values=True))
    try:
        safe = redact(_without_private(_shortened(value)))
    except RecursionError:
        return TOO_DEEP
    return safe if len(body) <= SHOWN else msgspec.json.encode(safe)[:SHOWN].decode(errors="replace")


def _shortened(value: Any) -> Any:
    """With the first items of each list, and how many more there are."""
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    items = [_shortened(item) for item in value[:ITEMS_SHOWN]]
    return items if len(value) <= ITEMS_SHOWN else [*items, f"{len(value) - ITEMS_SHOWN} more"]


def _without_private(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: MASK if _is_private(key) else _without_private(item) for key, item in value.items()}
    return [_without_private(item) for item in value] if isinstance(value, list) else value


def _is_private(key: str) -> bool:
    """``key``: of JSON, or of a form, where ``a[b][c]`` names a path."""
    return any(_PRIVATE.fullmatch(part) for part in _BRACKETS.split(key))
