"""What the imitated providers share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from providers.sandbox.faults import Faults
from providers.sandbox.ledger import Delivery, Order, ProviderLedger
from providers.sandbox.statements import Statements


@dataclass(frozen=True)
class SandboxContext:
    """``deliver`` starts delivering callbacks that are in the ledger. ``on_opened`` is called with the id of each order
    that a customer can pay; ``on_changed`` with an order after an operation on it. ``payment_url``: order id → where."""

    ledger: ProviderLedger
    statements: Statements
    faults: Faults
    deliver: Callable[[Sequence[Delivery]], None]
    on_opened: Callable[[str], None]
    on_changed: Callable[[Order, str], None]
    payment_url: Callable[[str], str]
