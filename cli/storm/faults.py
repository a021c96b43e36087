"""The faults of a storm: all that the sandbox has, each at the given rate."""

from typing import Final

import aiohttp

from providers.registry import PLUGINS
from providers.sandbox.cards import CARDS
from providers.sandbox.faults import DECLINE, METHOD_REVOKED

#: Of payments, at the given rate each. A timeout lasts longer than our deadline.
FAULTS: Final = (
    "timeout_after_commit", "error_500_after_commit", "error_500_before_commit", "rate_limited", "connection_reset",
    "slow", "callback_lost", "callback_twice", "callback_reordered", "callback_with_nul", "callback_before_answer",
    "refund_later", "refund_fails_later", "captured_in_console", "released_in_console", "refunded_in_console",
    "failure_after_success", "refund_undone",
)  # fmt: skip
#: Providers of a fault, if not all: where a provider does not tell refunds apart, an operator must (docs/providers.md).
_NAME_REFUNDS: Final = tuple(name for name, plugin in PLUGINS.items() if plugin.capabilities.reports_failed_refunds)
FAULT_PROVIDERS: Final = dict.fromkeys(("refund_fails_later", "refunded_in_console", "refund_undone"), _NAME_REFUNDS)
#: Of charges of a saved method, beside those: provider → revoked, and every decline that the sandbox' cards have.
_CHARGE_FAULTS: Final = {
    name: (METHOD_REVOKED, *(f"{DECLINE}{card.codes[name]}" for card in CARDS if card.codes)) for name in PLUGINS
}


async def set_faults(http: aiohttp.ClientSession, sandbox: str, rate: float, seed: int) -> None:
    """Put the faults of payments in the place of those in force. ``sandbox``: its address."""
    await clear_faults(http, sandbox)
    for number, fault in enumerate(FAULTS):
        for provider in FAULT_PROVIDERS.get(fault, ("*",)):
            await _add(http, sandbox, fault, provider, rate, seed + number)


async def add_faults_of_charges(http: aiohttp.ClientSession, sandbox: str, rate: float, seed: int) -> None:
    """Also fail charges of saved methods; ``rate`` is divided among a provider's faults."""
    every = [(provider, fault) for provider, faults in _CHARGE_FAULTS.items() for fault in faults]
    share = rate * len(_CHARGE_FAULTS) / len(every)
    for number, (provider, fault) in enumerate(every):
        await _add(http, sandbox, fault, provider, share, seed + number, operation="recur")


async def clear_faults(http: aiohttp.ClientSession, sandbox: str) -> None:
    """The providers work again."""
    await http.delete(f"{sandbox}/_sandbox/faults")


async def _add(
    http: aiohttp.ClientSession, sandbox: str, fault: str, provider: str, rate: float, seed: int, operation: str = "*"
) -> None:
    body = {"fault": fault, "provider": provider, "operation": operation, "rate": rate, "seed": seed}
    await http.post(f"{sandbox}/_sandbox/faults", json=body)
