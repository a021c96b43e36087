"""Settings of the process that runs jobs by the clock."""

from pydantic import Field

from runtime.settings.base import BusinessSettings, MetricsSettings, ProcessSettings, TestClockSettings
from runtime.settings.clearing import ClearingSettings
from runtime.settings.dependencies import KafkaSettings


class SchedulerSettings(
    ProcessSettings, MetricsSettings, ClearingSettings, KafkaSettings, BusinessSettings, TestClockSettings
):
    """The scheduler."""

    renewals_per_s: float = Field(50.0, gt=0, le=10_000)
    """Charges of subscriptions that are started per second and provider."""
    bulk_refunds_per_s: int = Field(20, ge=1, le=1_000)
    """Rows of bulk refunds that are sent per second, of all jobs together."""
    close_automatically: bool = True
    """Whether a day of the books is closed as soon as clearing is through with it; without, once a person asks."""
