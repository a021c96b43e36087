"""Every setting of the service, by component. A function takes the class of what it uses, an entry point that of its
process. Not here: the settings of one provider, which are in its folder."""

from runtime.settings.base import (
    BusinessSettings,
    ComponentSettings,
    MetricsSettings,
    ProcessSettings,
    TestClockSettings,
)
from runtime.settings.clearing import ClearingSettings
from runtime.settings.consumers import (
    AnalyticsSettings,
    ProviderCallSettings,
    SignalsSettings,
    SinkSettings,
    WorkerSettings,
)
from runtime.settings.dependencies import ClickHouseSettings, KafkaSettings, PostgresSettings, RabbitmqSettings
from runtime.settings.http import AdminSettings, ApiKeySettings, IngestAddressSettings, IngestSettings
from runtime.settings.local_stack import LocalStackSettings, SandboxSettings
from runtime.settings.monitor import MonitorSettings
from runtime.settings.scheduler import SchedulerSettings
from runtime.settings.sign_in import SignInSettings

__all__ = [
    "AdminSettings",
    "AnalyticsSettings",
    "ApiKeySettings",
    "BusinessSettings",
    "ClearingSettings",
    "ClickHouseSettings",
    "ComponentSettings",
    "IngestAddressSettings",
    "IngestSettings",
    "KafkaSettings",
    "LocalStackSettings",
    "MetricsSettings",
    "MonitorSettings",
    "PostgresSettings",
    "ProcessSettings",
    "ProviderCallSettings",
    "RabbitmqSettings",
    "SandboxSettings",
    "SchedulerSettings",
    "Settings",
    "SignInSettings",
    "SignalsSettings",
    "SinkSettings",
    "TestClockSettings",
    "WorkerSettings",
]


class Settings(
    IngestSettings,
    AdminSettings,
    WorkerSettings,
    SignalsSettings,
    AnalyticsSettings,
    SchedulerSettings,
    MonitorSettings,
    SandboxSettings,
    LocalStackSettings,
):
    """The settings of all components: what a process or a command reads."""
