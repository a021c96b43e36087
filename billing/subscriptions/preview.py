"""What a command to a subscription would do, before anybody sends it: decided by
:func:`~billing.subscriptions.decide.decide` itself."""

from datetime import datetime

import msgspec

from billing.messages import CreatePayment, PaymentMessage, Refusal, RollbackPayment, WithdrawCharge
from billing.messages.subscription_commands import SubscriptionCommand
from billing.messages.subscription_events import Notice, SubscriptionSnapshot
from billing.subscriptions.decide import decide
from billing.subscriptions.decision import snapshot
from billing.subscriptions.model import Subscription


class Preview(msgspec.Struct, frozen=True):
    """What follows from a command. ``refusal``: nothing, and why. ``refunded``: minor units that are asked back of the
    payment of the running period, which decides on them. ``withdrawn``: minor units of the charge under way, where it is
    given up: its payment gives them back if they were taken. ``charged``: minor units that a new payment asks for."""

    before: SubscriptionSnapshot
    after: SubscriptionSnapshot
    refusal: Refusal | None
    refunded: int
    withdrawn: int
    charged: int
    payments: tuple[PaymentMessage, ...]
    notices: tuple[Notice, ...]

    @property
    def back(self) -> int:
        """Minor units that may be given back: what the limits of a person are about."""
        return self.refunded + self.withdrawn


def preview(subscription: Subscription, command: SubscriptionCommand, now: datetime) -> Preview:
    """What ``command`` would do to ``subscription`` at ``now`` (UTC). Raises what ``decide`` raises."""
    decision = decide(subscription, command, now)
    after = decision.subscription or subscription
    given_up = {p.payment_id for p in decision.payments if isinstance(p, RollbackPayment | WithdrawCharge)}
    charge = subscription.charge
    return Preview(
        before=snapshot(subscription),
        after=snapshot(after),
        refusal=decision.refusal,
        refunded=decision.refunded,
        withdrawn=0 if charge is None or charge.payment_id not in given_up else charge.amount,
        charged=sum(p.order.amount for p in decision.payments if isinstance(p, CreatePayment)),
        payments=decision.payments,
        notices=() if decision.event is None else decision.event.notices,
    )
