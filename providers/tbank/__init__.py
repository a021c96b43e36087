"""T-Bank's internet acquiring, API v2: Init, Confirm, Cancel, GetState, Charge. Facts from its published document."""

from providers.tbank.adapter import TBank
from providers.tbank.plugin import PLUGIN

__all__ = ["PLUGIN", "TBank"]
