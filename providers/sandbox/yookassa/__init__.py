"""YooKassa, imitated: its API v3, its rules for payments and refunds, and its notifications."""

from providers.sandbox.yookassa.imitation import YooKassaImitation

__all__ = ["YooKassaImitation"]
