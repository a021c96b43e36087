"""Whether a payout is the sum of the lines that the provider says it consists of."""

from collections.abc import Iterable

import structlog

from billing.clearing.discrepancies import Kind
from providers.base import Provider
from providers.statements import LineKind, StatementUnavailable
from storage.clearing.discrepancies import Finding
from storage.clearing.lines import Payout

log = structlog.get_logger(__name__)

_PAYOUTS = (LineKind.PAYOUT, LineKind.PAYOUT_FAILED)


async def check_payouts(provider: Provider, name: str, payouts: Iterable[Payout]) -> list[Finding]:
    """What is found about payouts, where the provider lists what they consist of. One that cannot be read now is left for
    the next run, which reads these days again. ``name``: of the provider."""
    found = []
    for payout in payouts:
        part = provider.payout(payout.payout_ref, payout.day)
        if part is None:
            continue
        total = 0
        try:
            async for page in provider.pages(part):
                total += sum(line.balance for line in page.lines if line.kind not in _PAYOUTS)
        except StatementUnavailable as error:
            log.warning("payout not read", provider=name, payout=payout.payout_ref, reason=error.reason)
            continue
        amounts = {
            "payout": payout.payout_ref,
            "currency": payout.currency,
            "paid": -payout.amount,
            "consists_of": total,
        }
        found.append(
            Finding(
                subject=f"payout:{payout.payout_ref}",
                kind=Kind.PAYOUT_DIFFERS if total != -payout.amount else None,
                detail=amounts,
            )
        )
    return found
