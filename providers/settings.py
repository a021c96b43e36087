"""Settings of one provider, read from the environment; each provider's folder has its own."""

import json
from typing import Any

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ProviderSettings(BaseSettings):
    """A subclass sets ``env_prefix``. A process reads the settings of what it does with a provider, and no others."""

    model_config = SettingsConfigDict(extra="ignore")


def environment(settings: ProviderSettings) -> dict[str, str]:
    """The environment variables that these settings were set by, or would be."""
    prefix = settings.model_config.get("env_prefix", "")
    return {
        f"{prefix}{name}".upper(): _text(getattr(settings, name))
        for name in type(settings).model_fields
        if name in settings.model_fields_set
    }


def _text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, list):
        return json.dumps([_text(item) for item in value])
    return str(value)
