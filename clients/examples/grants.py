"""The access rights that an auth service keeps. Pure: any order of signals, and any repeats, give the same result."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.signals import Access, AccessAction


@dataclass(frozen=True, slots=True)
class Grant:
    """The latest decision of one payment, or one subscription, about one product of one customer."""

    version: int
    open: bool
    valid_until: datetime | None


class Grants:
    """Grants by (customer, product) and payment.

    A signal counts only when its version is above the last one applied for the same customer, product and payment:
    a late DENY never overrides a newer ALLOW. A customer who paid twice for a product keeps it while one of the payments
    is not refunded. A subscription's grant has the subscription's id in place of a payment's.
    """

    def __init__(self) -> None:
        self._grants: dict[tuple[str, str], dict[UUID, Grant]] = {}

    def apply(self, signal: Access) -> bool:
        """Apply a signal; ``False`` if all of it was known or outdated."""
        applied = False
        grant = Grant(signal.version, signal.action is AccessAction.ALLOW_ACCESS, signal.valid_until)
        for product in signal.products:
            payments = self._grants.setdefault((signal.customer_id, product), {})
            known = payments.get(signal.payment_id)
            if known is None or known.version < grant.version:
                payments[signal.payment_id] = grant
                applied = True
        return applied

    def allowed(self, customer_id: str, product_id: str, now: datetime) -> bool:
        """Whether the customer may watch the product at ``now`` (UTC)."""
        grants = self._grants.get((customer_id, product_id), {}).values()
        return any(grant.open and (grant.valid_until is None or now < grant.valid_until) for grant in grants)
