"""Settings of the process that runs jobs by the clock."""

from datetime import date

from pydantic import Field

from runtime.settings.base import BusinessSettings, MetricsSettings, ProcessSettings, TestClockSettings
from runtime.settings.dependencies import KafkaSettings, PostgresSettings


class SchedulerSettings(
    ProcessSettings, MetricsSettings, PostgresSettings, KafkaSettings, BusinessSettings, TestClockSettings
):
    """The scheduler."""

    renewals_per_s: float = Field(50.0, gt=0, le=10_000)
    """Charges of subscriptions that are started per second and provider."""
    clearing_from: date | None = None
    """The first business day that is cleared, such as 2026-12-01; without it, that of the first payment."""
    close_automatically: bool = True
    """Whether a day of the books is closed as soon as clearing is through with it; without, by ``billing clearing close``."""
