"""Yandex Pay: the merchant API we call and the webhook it calls. Facts from its published OpenAPI documents."""

from providers.yandex_pay.adapter import YandexPay
from providers.yandex_pay.plugin import PLUGIN

__all__ = ["PLUGIN", "YandexPay"]
