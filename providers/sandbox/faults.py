"""Faults of providers, on demand."""

import asyncio
from random import Random
from typing import Final

import msgspec
from aiohttp import web

from providers.sandbox.console import CONSOLE_FAULTS
from providers.sandbox.imitation import Imitation

#: Any provider, operation or saved method.
ANY: Final = "*"
#: The target of a fault: a call, a customer's action (``pay``: the callbacks it causes), or all of them.
OPERATIONS: Final = (
    ANY, "create", "recur", "pay", "capture", "void", "refund", "rollback", "inquire", "statement", "console",
)  # fmt: skip
BEFORE: Final = ("error_500_before_commit", "rate_limited", "key_refused", "connection_reset")
AFTER: Final = ("timeout_after_commit", "error_500_after_commit", "callback_before_answer")
CALLBACK: Final = ("callback_lost", "callback_twice", "callback_reordered", "callback_with_nul")
#: Faults of a line of a day's statement, or of the lists that serve as one.
LINE_FAULTS: Final = (
    "register_missing", "register_extra", "register_amount", "register_fee", "register_twice", "register_currency",
    "register_type", "register_late", "register_changed", "register_withdrawn",
)  # fmt: skip
#: Faults of the whole statement of a day.
FILE_FAULTS: Final = ("register_absent", "register_truncated", "register_half", "register_columns")
CHARGEBACKS: Final = ("chargeback", "chargeback_won")
PAYOUT_FAULTS: Final = ("payout_short", "payout_late", "payout_failed")
#: Provider, kind of line, fault: its lists do not show it, or not what a payout consists of.
NOT_SHOWN: Final = frozenset(
    {
        ("yookassa", "refund", "register_type"),
        ("yookassa", "chargeback", "chargeback"),
        ("yookassa", "chargeback", "chargeback_won"),
        ("yookassa", "chargeback_undone", "chargeback_won"),
        ("yookassa", "payout", "payout_short"),
        ("yandex-pay", "payout", "payout_short"),
        ("tbank", "payout", "payout_short"),
    }
)
#: Faults of an operation itself, where the provider has them.
METHOD_REVOKED: Final = "method_revoked"
DEED: Final = (METHOD_REVOKED, "refund_later", "refund_fails_later")
#: ``decline:<reason>``, the reason as the provider's code: the next charge of a saved method is declined.
DECLINE: Final = "decline:"
KNOWN: Final = (
    *BEFORE, *AFTER, *CALLBACK, *DEED, *LINE_FAULTS, *FILE_FAULTS, *CHARGEBACKS, *PAYOUT_FAULTS, *CONSOLE_FAULTS, "slow",
)  # fmt: skip
#: Longer than any client waits, milliseconds.
TIMEOUT_MS: Final = 60_000
SLOW_MS: Final = 1_000
#: The delay of a callback that later ones overtake, milliseconds.
OVERTAKEN_MS: Final = 700
#: How much earlier than the answer callbacks are sent, milliseconds.
HEAD_START_MS: Final = 300


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """A fault on an operation, by ``rate`` (0..1, repeatable by its ``seed``) or for the next ``count`` calls.

    ``timeout_after_commit``, ``error_500_after_commit``, ``error_500_before_commit``: the operation is done, or not,
    and the answer does not show it. ``rate_limited``: 429 with Retry-After. ``key_refused``: as with a key that is not known.
    ``connection_reset``: before anything is
    done. ``slow``: the answer takes ``delay_ms`` longer. ``callback_lost``, ``callback_twice``: never sent, sent
    twice. ``callback_reordered``: delayed by ``delay_ms``, so that later ones overtake it.
    ``callback_with_nul``: our ids in it end in U+0000. ``callback_before_answer``: the answer waits ``delay_ms`` while the callbacks go out. ``method_revoked``,
    ``decline:<reason>``: of a charge of a saved method; ``method``, the name by which one is charged, leaves the others alone.
    ``refund_later``, ``refund_fails_later``: it is pending for a
    while. ``captured_in_console``, ``released_in_console``, ``refunded_in_console``: the staff does so a moment later, with
    half of the amount; ``failure_after_success``, ``refund_undone``: the provider calls back a failure after the payment
    succeeded, or the refund fails after it succeeded (:mod:`providers.sandbox.console`). ``register_…``:
    of a line, or of the whole statement of a day, the same at every reading (:mod:`providers.sandbox.statements`).
    ``chargeback``, ``chargeback_won``: of a payment; ``payout_short``, ``payout_late``, ``payout_failed``: of a payout.
    """

    fault: str
    provider: str = ANY
    operation: str = ANY
    method: str = ANY
    rate: float | None = None
    count: int | None = None
    delay_ms: int | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        if self.fault not in KNOWN and not self.fault.startswith(DECLINE):
            raise ValueError(f"fault is one of {', '.join(KNOWN)}, {DECLINE}<reason>")
        if self.operation not in OPERATIONS:
            raise ValueError(f"operation is one of {', '.join(OPERATIONS)}")
        if (self.rate is None) == (self.count is None):
            raise ValueError("either a rate or a count")
        if self.method != ANY and self.fault != METHOD_REVOKED and not self.fault.startswith(DECLINE):
            raise ValueError(f"method is of {METHOD_REVOKED} and {DECLINE}<reason> only")


class Faults:
    """The faults in force, in this process only: a restart clears them."""

    def __init__(self) -> None:
        self._active: list[tuple[Fault, Random]] = []

    @property
    def active(self) -> list[Fault]:
        """Those added; ``count`` is what is left of it."""
        return [fault for fault, _ in self._active]

    def add(self, fault: Fault) -> None:
        """From now on."""
        self._active.append((fault, Random(fault.seed)))  # noqa: S311

    def clear(self) -> None:
        """No faults."""
        self._active.clear()

    def has(self, names: tuple[str, ...]) -> bool:
        """Whether one of these faults is in force."""
        return any(fault.fault in names for fault, _ in self._active)

    def of_charge(self, provider: str, method: str) -> Fault | None:
        """The fault that applies now to a charge of a saved method, by the name under which it is charged."""
        return self.draw(provider, "recur", METHOD_REVOKED, DECLINE, method=method)

    def draw(self, provider: str, operation: str, *names: str, method: str = ANY) -> Fault | None:
        """The first of these faults that applies now."""
        for fault, chance in self._active:
            name = DECLINE if fault.fault.startswith(DECLINE) else fault.fault
            if name not in names or fault.provider not in (ANY, provider):
                continue
            if fault.operation not in (ANY, operation) or fault.method not in (ANY, method):
                continue
            if fault.count is not None:
                if fault.count > 0:
                    fault.count -= 1
                    return fault
            elif chance.random() < (fault.rate or 0.0):
                return fault
        return None

    def overtaken_s(self, provider: str, operation: str) -> float:
        """The delay of a callback, seconds."""
        fault = self.draw(provider, operation, "callback_reordered")
        return 0.0 if fault is None else _ms(fault, OVERTAKEN_MS) / 1000

    async def before(self, request: web.Request, imitation: Imitation, operation: str) -> web.StreamResponse | None:
        """Apply a fault before the provider acts; the answer, if that ends the call."""
        if (slow := self.draw(imitation.name, operation, "slow")) is not None:
            await _wait(slow, SLOW_MS)
        fault = self.draw(imitation.name, operation, *BEFORE)
        if fault is None:
            return None
        if fault.fault == "rate_limited":
            retry_s = max(1, round((fault.delay_ms or 1000) / 1000))
            return imitation.failure(429, "slow down", retry_s)
        if fault.fault == "key_refused":
            return imitation.failure(401, "the key is not known")
        if fault.fault == "connection_reset" and request.transport is not None:
            request.transport.abort()
        return imitation.failure(500, "not done")

    async def after(self, imitation: Imitation, operation: str) -> web.StreamResponse | None:
        """Apply a fault after the provider acted; the answer, if the fault replaces it."""
        fault = self.draw(imitation.name, operation, *AFTER)
        if fault is None:
            return None
        if fault.fault == "callback_before_answer":
            await _wait(fault, HEAD_START_MS)
            return None
        if fault.fault == "timeout_after_commit":
            await _wait(fault, TIMEOUT_MS)
        return imitation.failure(500, "done, but not answered")


async def _wait(fault: Fault, default_ms: int) -> None:
    await asyncio.sleep(_ms(fault, default_ms) / 1000)


def _ms(fault: Fault, default_ms: int) -> int:
    return default_ms if fault.delay_ms is None else fault.delay_ms
