"""What all settings have in common, and those that every process has."""

from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

#: Where Docker, Podman and Kubernetes mount secrets: a file for each setting, its name in lower case.
SECRETS_DIR: Final = Path("/run/secrets")


class SettingsRefused(ValueError):
    """Settings with which a process must not run, though each is valid by itself. The message says what to change."""


class ComponentSettings(BaseSettings):
    """The settings of one component. They are read from the environment with the prefix ``BILLING_``, else from files
    below ``/run/secrets``. Times end in their unit (``_s``, ``_ms``)."""

    model_config = SettingsConfigDict(
        env_prefix="BILLING_", extra="ignore", secrets_dir=SECRETS_DIR if SECRETS_DIR.is_dir() else None
    )


class ProcessSettings(ComponentSettings):
    """Any process: its files, its log, its health."""

    state_dir: Path = Path(".billing")
    revision: str = ""
    """Source revision that the image was built from; the image sets it."""
    log_level: Literal["debug", "info", "warning"] = "info"
    """``debug``: what is said to providers and by them too, masked; by default only of calls that went wrong."""
    heartbeat_file: Path | None = None
    """Touched every second by a worker or sink that is at work; the supervisor reads its age."""


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{name!r} is not a time zone of the IANA database") from error
    return name


class BusinessSettings(ComponentSettings):
    """Where the business is."""

    business_zone: Annotated[str, AfterValidator(_known_zone)] = "Europe/Moscow"
    """IANA time zone of business dates, of the charging hours and of new subscriptions."""


class TestClockSettings(ComponentSettings):
    """Whether time may be played with."""

    __test__ = False  # keeps pytest from collecting it

    test_clocks: bool = False
    """Subscriptions may live by test clocks. Only where every provider is a sandbox: else ingest does not start."""


class MetricsSettings(ComponentSettings):
    """The Prometheus endpoint of a process, at a port that no client reaches."""

    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(0, ge=0, le=65_535)
    """Port of the Prometheus endpoint, at `/metrics`; 0 disables it."""
