"""Settings of the process that runs jobs by the clock."""

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from runtime.settings.base import ComponentSettings, MetricsSettings, ProcessSettings
from runtime.settings.dependencies import KafkaSettings, PostgresSettings


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


class SchedulerSettings(ProcessSettings, MetricsSettings, PostgresSettings, KafkaSettings, BusinessSettings):
    """The scheduler."""

    renewals_per_s: float = Field(50.0, gt=0, le=10_000)
    """Charges of subscriptions that are started per second and provider."""
