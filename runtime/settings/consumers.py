"""Settings of the processes that consume Kafka: workers and sinks."""

from pydantic import Field

from runtime.settings.base import ComponentSettings, MetricsSettings, ProcessSettings
from runtime.settings.dependencies import ClickHouseSettings, KafkaSettings, PostgresSettings, RabbitmqSettings


class ProviderCallSettings(ComponentSettings):
    """Bounds of the calls to any provider. Each provider's own settings are in its folder."""

    provider_timeout_s: float = Field(15.0, gt=0)
    """Deadline of one provider call."""
    provider_concurrency: int = Field(64, ge=1)
    """Calls under way at once, per provider and process."""


class WorkerSettings(ProcessSettings, MetricsSettings, PostgresSettings, KafkaSettings, ProviderCallSettings):
    """A process of the Faust agents."""

    batch_max: int = Field(500, ge=1, le=10_000)
    """Messages in one transaction of the payments agent."""
    stall_s: float = Field(60.0, gt=0)
    """Backlog without progress for this long: the process leaves and is started again."""


class SinkSettings(ProcessSettings, MetricsSettings, PostgresSettings, KafkaSettings):
    """A sink, whatever its destination."""


class SignalsSettings(SinkSettings, RabbitmqSettings):
    """The RabbitMQ sink."""


class AnalyticsSettings(SinkSettings, ClickHouseSettings):
    """The ClickHouse sink."""
