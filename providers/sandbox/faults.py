"""What a provider does to us on a bad day, on demand."""

import asyncio
from random import Random

import msgspec
from aiohttp import web

BEFORE = ("error_500_before_commit", "rate_limited", "connection_reset")
AFTER = ("timeout_after_commit", "error_500_after_commit")
CALLBACK = ("callback_lost", "callback_twice", "callback_before_answer")
KNOWN = (*BEFORE, *AFTER, *CALLBACK, "slow")
#: Longer than any client waits, milliseconds.
TIMEOUT_MS = 60_000
SLOW_MS = 1_000


class Fault(msgspec.Struct):
    """A fault on an operation (``*``: all), by ``rate`` (0..1) or for the next ``count`` calls."""

    fault: str
    provider: str = "*"
    operation: str = "*"
    rate: float | None = None
    count: int | None = None
    delay_ms: int | None = None


class Faults:
    """The faults in force. ``seed`` makes rates repeatable."""

    def __init__(self, seed: int = 1) -> None:
        self.active: list[Fault] = []
        self._chance = Random(seed)  # noqa: S311

    def draw(self, provider: str, operation: str, *names: str) -> Fault | None:
        """The first of these faults that strikes now."""
        for fault in self.active:
            if fault.fault not in names or fault.provider not in ("*", provider):
                continue
            if fault.operation not in ("*", operation):
                continue
            if fault.count is not None:
                if fault.count > 0:
                    fault.count -= 1
                    return fault
            elif self._chance.random() < (fault.rate or 0.0):
                return fault
        return None

    async def before(self, request: web.Request, provider: str, operation: str) -> web.StreamResponse | None:
        """Strike before the provider does anything; the answer, if that is the end of it."""
        if (slow := self.draw(provider, operation, "slow")) is not None:
            await asyncio.sleep((slow.delay_ms or SLOW_MS) / 1000)
        fault = self.draw(provider, operation, *BEFORE)
        if fault is None:
            return None
        if fault.fault == "rate_limited":
            retry_s = max(1, round((fault.delay_ms or 1000) / 1000))
            return failure(429, "TOO_MANY_REQUESTS", "slow down", {"Retry-After": str(retry_s)})
        if fault.fault == "connection_reset":
            reset(request)
        return failure(500, "INTERNAL", "nothing was done")

    async def after(self, provider: str, operation: str) -> web.StreamResponse | None:
        """Strike after the provider did what was asked."""
        fault = self.draw(provider, operation, *AFTER)
        if fault is None:
            return None
        if fault.fault == "timeout_after_commit":
            await asyncio.sleep((fault.delay_ms or TIMEOUT_MS) / 1000)
        return failure(500, "INTERNAL", "it was done, but you will not know")


def failure(status: int, code: str, reason: str, headers: dict[str, str] | None = None) -> web.Response:
    """Yandex Pay's envelope of a refusal."""
    body = msgspec.json.encode({"status": "fail", "reasonCode": code, "reason": reason})
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


def reset(request: web.Request) -> None:
    """Break the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
