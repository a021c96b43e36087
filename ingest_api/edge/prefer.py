"""The Prefer header (RFC 7240): how long a client wants to wait for the outcome."""

import re
from collections.abc import Iterable
from typing import Final

import msgspec

_WAIT: Final = re.compile(r'wait\s*=\s*"?([0-9]{1,9})"?', re.IGNORECASE)


class Preference(msgspec.Struct, frozen=True):
    """``wait_s``: seconds to wait for the outcome. ``applied``: the Preference-Applied header, if one was honoured."""

    wait_s: float
    applied: str | None = None


def preference(headers: Iterable[str], default_s: float, max_s: float) -> Preference:
    """The preference in the Prefer headers, at most ``max_s``. Unknown preferences are ignored, as the RFC requires.

    ``wait`` takes precedence over ``respond-async``: together they mean "asynchronously, if it takes longer".
    """
    respond_async = False
    for header in headers:
        for part in header.split(","):
            token = part.split(";", 1)[0].strip()
            match = _WAIT.fullmatch(token)
            if match is not None:
                wait_s = min(float(match[1]), max_s)
                return Preference(wait_s, f"wait={wait_s:g}")
            respond_async = respond_async or token.lower() == "respond-async"
    if respond_async:
        return Preference(0.0, "respond-async")
    return Preference(min(default_s, max_s))
