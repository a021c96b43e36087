"""Messages to a subscription: `billing.subscriptions.inbox`, keyed by subscription id."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from billing.messages.base import SubscriptionMessage


class PaymentOutcome(SubscriptionMessage, frozen=True, omit_defaults=True):
    """What became of a payment of the subscription: sent after each change of it, and again on request. One with a
    ``payment_version`` that is not above the last one known is old news.

    ``period``, ``attempt``, ``purpose``: those of the payment's :class:`~billing.orders.SubscriptionRef`. ``state``: the
    payment's status. ``operation_state``: of the operation that charges the customer, one of PENDING, NOT_SENT, UNKNOWN,
    SUCCEEDED, FAILED; ``None`` where the payment was refused and does not exist (then ``payment_version`` is 0).
    ``reason``, ``kind``, ``help``: why it failed, whose reason that is and what helps (docs/reasons.md).
    ``retry_after_s``: how long the card network or the provider wants no further attempt, seconds; ``None``: not said.
    ``amount``, ``captured``, ``refunded``, ``charged_back``: minor units of ``currency``. ``method_ref``: the provider's name of the method
    that the payment saved or charged; ``method_title``: its brand and last digits; ``method_expires``: its last month,
    as in ``2028-04``. ``at``: when the payment changed (UTC).
    """

    TYPE: ClassVar[str] = "billing.subscription.payment_outcome.v1"

    payment_id: UUID
    payment_version: int
    period: int
    attempt: int
    purpose: str
    state: str
    operation_state: str | None
    reason: str | None
    kind: str | None
    help: str | None
    retry_after_s: int | None
    amount: int
    captured: int
    refunded: int
    currency: str
    provider: str
    payment_url: str | None
    method_ref: str | None
    method_title: str | None
    method_expires: str | None
    at: datetime
    charged_back: int = 0
