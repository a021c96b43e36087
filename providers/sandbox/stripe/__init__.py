"""Stripe, imitated: Checkout Sessions, PaymentIntents, refunds, balance transactions, and how it signs its events."""

from providers.sandbox.stripe.imitation import StripeImitation

__all__ = ["StripeImitation"]
