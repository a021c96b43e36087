"""Yandex Pay, imitated: its merchant API, its rules for orders, and how it signs its webhook."""

from providers.sandbox.yandex_pay.imitation import YandexPayImitation
from providers.sandbox.yandex_pay.model import Orders

__all__ = ["Orders", "YandexPayImitation"]
