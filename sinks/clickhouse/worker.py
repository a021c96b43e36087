"""The process that writes operations to ClickHouse."""

from typing import Final

from analytics.translate import EventRows
from billing.messages.topics import EVENTS
from runtime.settings import AnalyticsSettings, ClickHouseSettings
from sinks.clickhouse.inserter import ClickHouseInserter, translate
from sinks.delivery import SinkSpec
from sinks.process import run_sink
from storage.streams.positions import Consumer

CONSUMER: Final = Consumer.ANALYTICS
#: Few large inserts rather than many small ones: each becomes a part that ClickHouse must merge. Events per batch,
#: and the greatest age of its first event, seconds: half of the promised lag.
BATCH_MAX: Final = 5_000
LINGER_S: Final = 1.0


def spec(settings: ClickHouseSettings) -> SinkSpec[EventRows]:
    """What this sink reads, translates and writes."""
    return SinkSpec(
        CONSUMER, (EVENTS.name,), translate, ClickHouseInserter(settings.clickhouse_url), BATCH_MAX, LINGER_S
    )


def run(settings: AnalyticsSettings) -> None:
    """Run until SIGTERM or SIGINT."""
    run_sink(settings, spec(settings))
