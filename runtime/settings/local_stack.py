"""Settings of what runs beside the service on a developer's machine: the sandbox and the local stack."""

from typing import Literal

from pydantic import Field, SecretStr

from runtime.settings.base import ComponentSettings, ProcessSettings
from runtime.settings.http import IngestAddressSettings


class SandboxSettings(ProcessSettings, IngestAddressSettings):
    """The provider sandbox. It sends callbacks to ingest."""

    sandbox_url: str = ""
    """Base URL of the provider sandbox."""
    sandbox_callback_url: str = ""
    """Where the sandbox sends callbacks: the base of our webhooks, before ``/<provider>`` and the provider's own path."""
    sandbox_retry_max_s: float = Field(5.0, gt=0)
    """Longest pause between two deliveries of a callback; the real provider goes up to 15 minutes."""
    sandbox_host: str = "127.0.0.1"
    sandbox_port: int = 8090


class LocalStackSettings(ComponentSettings):
    """What `billing up` starts."""

    local_kafka: Literal["auto", "apache", "tansu"] = "auto"
    """Which broker `billing up` starts: Apache Kafka where there is Java, else the in-memory Tansu."""
    local_parts: str = ""
    """Start only these, by name with commas between: ``kafka,postgres``. Empty: all."""
    local_clickhouse_port: int = 8123
    local_clickhouse_password: SecretStr = SecretStr("")
