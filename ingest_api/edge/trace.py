"""The trace of a request (W3C Trace Context): the client's where it sent one, else one that begins here."""

import re
from secrets import token_hex
from typing import Final

import structlog
from starlette.requests import Request

_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
#: Where the request keeps it for the answer's header.
TRACEPARENT: Final = "traceparent"


def trace_of(request: Request) -> str:
    """The ``traceparent`` of everything that follows from the request. From here on its answer has it as a header, and its
    log lines its id, ``trace_id``."""
    given = _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
    trace_id = given[1] if given is not None else token_hex(16)
    traceparent = given[0] if given is not None else f"00-{trace_id}-{token_hex(8)}-01"
    request.scope.setdefault("state", {})[TRACEPARENT] = traceparent
    structlog.contextvars.bind_contextvars(trace_id=trace_id)
    return traceparent
