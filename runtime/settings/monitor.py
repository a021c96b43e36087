"""Settings of the process that reads the books for Prometheus."""

from runtime.settings.base import MetricsSettings, ProcessSettings
from runtime.settings.dependencies import KafkaSettings, PostgresSettings


class MonitorSettings(ProcessSettings, MetricsSettings, PostgresSettings, KafkaSettings):
    """The monitor."""
