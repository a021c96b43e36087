"""What was said on the wire, for a log that may be read by anybody who runs the service.

Every HTTP exchange of a call is kept until the call ends, as it went out and came in; only what is logged is read and
masked. Headers are never kept: ours carry the key.
"""

import re
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, Final
from urllib.parse import parse_qsl

import aiohttp
import msgspec

from runtime.logging.card_numbers import MASK
from runtime.logging.redaction import redact

#: Characters of a body that are shown.
SHOWN: Final = 2_000
#: Providers' names for saved methods, customers, cards and what was bought, in any of their spellings.
_PRIVATE: Final = re.compile(
    r"rebill_?id|parent_?order_?id|customer(_?key|_?id|_details)?|payment_?method(_?id|_data|_details)?"
    r"|billing_details|pan|exp_?date|card|title|name|purpose|description|product_?id",
    re.IGNORECASE,
)
_BRACKETS: Final = re.compile(r"[\[\]]+")


class Exchange(msgspec.Struct):
    """One request and its answer. ``status`` stays 0 where none came."""

    call: str
    sent: bytes = b""
    status: int = 0
    received: bytes = b""

    def masked(self) -> dict[str, Any]:
        """For a log: without keys, contacts, customers, cards, saved methods, and names of what was bought."""
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
    """What a session needs for its exchanges to be heard."""
    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(_started)
    trace.on_request_chunk_sent.append(_sent)
    trace.on_response_chunk_received.append(_received)
    trace.on_request_end.append(_ended)
    return trace


def masked(exchanges: Sequence[Exchange]) -> list[dict[str, Any]]:
    """All of them, for a log."""
    return [exchange.masked() for exchange in exchanges]


async def _started(_session: object, _context: object, told: aiohttp.TraceRequestStartParams) -> None:
    if (exchanges := _current.get()) is not None:
        exchanges.append(Exchange(f"{told.method} {told.url.path}"))


async def _sent(_session: object, _context: object, told: aiohttp.TraceRequestChunkSentParams) -> None:
    if exchanges := _current.get():
        exchanges[-1].sent += told.chunk


async def _received(_session: object, _context: object, told: aiohttp.TraceResponseChunkReceivedParams) -> None:
    if exchanges := _current.get():
        exchanges[-1].received += told.chunk


async def _ended(_session: object, _context: object, told: aiohttp.TraceRequestEndParams) -> None:
    if exchanges := _current.get():
        exchanges[-1].status = told.response.status


def _shown(body: bytes) -> Any:
    """JSON and forms by their names; anything else as a text, by its looks."""
    if not body:
        return None
    try:
        value = msgspec.json.decode(body)
    except msgspec.DecodeError:
        text = body.decode(errors="replace")
        value = text if "=" not in text or "<" in text else dict(parse_qsl(text, keep_blank_values=True))
    safe = redact(_without_private(value))
    return safe if len(body) <= SHOWN else msgspec.json.encode(safe)[:SHOWN].decode(errors="replace")


def _without_private(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: MASK if _is_private(key) else _without_private(item) for key, item in value.items()}
    return [_without_private(item) for item in value] if isinstance(value, list) else value


def _is_private(key: str) -> bool:
    """``key``: of JSON, or of a form, where ``a[b][c]`` names a path."""
    return any(_PRIVATE.fullmatch(part) for part in _BRACKETS.split(key))
