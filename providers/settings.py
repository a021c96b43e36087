"""Settings of one provider, read from the environment; each provider's folder has its own."""

import json
from typing import Any, ClassVar, Protocol, get_origin, runtime_checkable
from urllib.parse import urlsplit

import msgspec
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from providers.base import Capabilities
from runtime.settings.base import SECRETS_DIR


class ProviderSettings(BaseSettings):
    """A subclass sets ``env_prefix``. A process reads the settings of what it does with a provider, and no others: from
    the environment, else from files below ``/run/secrets``."""

    model_config = SettingsConfigDict(extra="ignore", secrets_dir=SECRETS_DIR if SECRETS_DIR.is_dir() else None)

    #: Hosts where the provider moves real money.
    REAL_HOSTS: ClassVar[frozenset[str]] = frozenset()
    #: The fields that name an account at the provider.
    ACCOUNT: ClassVar[tuple[str, ...]] = ()

    url: str = ""
    """Base URL of the provider's API."""
    settlement: dict[str, Any] = Field(default_factory=dict)
    """What of the business day and the statement is otherwise for our account, as JSON: {"zone": "Europe/Berlin",
    "ready_after": "PT6H"}; the fields of :class:`providers.settlement.Settlement`."""

    @property
    def is_set_up(self) -> bool:
        """Whether there is an account or a secret."""
        return any(self._text_of(name) for name in (*self.ACCOUNT, *self.secret_fields()))

    @property
    def takes_money(self) -> bool:
        """Whether payments here are real: at the provider's own address, and not with an account for tests."""
        return urlsplit(self.url).hostname in self.REAL_HOSTS and not self.is_for_tests

    @property
    def is_for_tests(self) -> bool:
        """Whether the provider itself gives out the account or the secrets for tests."""
        return False

    @classmethod
    def variable(cls, field: str) -> str:
        """The environment variable of a field."""
        return f"{cls.model_config.get('env_prefix', '')}{field}".upper()

    @classmethod
    def secret_fields(cls) -> dict[str, bool]:
        """The fields that are secrets, and whether each is a list of them."""
        annotations: dict[str, Any] = {name: field.annotation for name, field in cls.model_fields.items()}
        kinds: tuple[Any, ...] = (SecretStr, list[SecretStr])
        return {name: get_origin(annotation) is list for name, annotation in annotations.items() if annotation in kinds}

    def _text_of(self, field: str) -> str:
        value = getattr(self, field)
        return "".join(map(_text, value)) if isinstance(value, list) else _text(value)

    def narrow(self, capabilities: Capabilities) -> Capabilities:
        """What of the provider's capabilities this account has. Raises :class:`ValueError` for a setting that is none."""
        try:
            settlement = capabilities.settlement.changed(self.settlement)
        except msgspec.ValidationError as error:
            raise ValueError(f"{self.variable('settlement')}: {error}") from error
        return msgspec.structs.replace(capabilities, settlement=settlement)


@runtime_checkable
class RegisterSettings(Protocol):
    """Of a provider whose statements are registers."""

    @property
    def map_name(self) -> str:
        """What the registers' columns mean: a file, or the name of a map of ours."""


def environment(settings: ProviderSettings) -> dict[str, str]:
    """The environment variables that these settings were set by, or would be."""
    return {
        settings.variable(name): _text(getattr(settings, name))
        for name in type(settings).model_fields
        if name in settings.model_fields_set
    }


def _text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, list):
        return json.dumps([_text(item) for item in value])
    return json.dumps(value) if isinstance(value, dict) else str(value)
