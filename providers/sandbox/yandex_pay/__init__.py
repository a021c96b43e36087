"""Yandex Pay, imitated: its merchant API, its rules for orders, and how it signs its webhook."""

from providers.sandbox.yandex_pay.api import YandexPayApi
from providers.sandbox.yandex_pay.orders import Orders
from providers.sandbox.yandex_pay.signing import Signer

__all__ = ["Orders", "Signer", "YandexPayApi"]
