"""YooKassa: the API v3 that we call and the notifications it sends. Facts from its published OpenAPI document."""

from providers.yookassa.adapter import YooKassa
from providers.yookassa.plugin import PLUGIN

__all__ = ["PLUGIN", "YooKassa"]
