"""T-Bank, imitated: its acquiring API v2, its rules for payments, and its signed notifications."""

from providers.sandbox.tbank.imitation import TBankImitation

__all__ = ["TBankImitation"]
