"""Stripe: Checkout Sessions and PaymentIntents, refunds, signed webhook events. Facts from its API reference."""

from providers.stripe.adapter import Stripe
from providers.stripe.plugin import PLUGIN

__all__ = ["PLUGIN", "Stripe"]
