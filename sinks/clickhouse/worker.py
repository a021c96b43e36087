"""The process that writes the events of payments, subscriptions and clearing to ClickHouse."""

from typing import Final

from billing.messages.topics import CLEARING_EVENTS, EVENTS, SUBSCRIPTION_EVENTS
from runtime.settings import AnalyticsSettings, ClickHouseSettings
from sinks.clickhouse.inserter import ClickHouseInserter, Translated, translate
from sinks.delivery import SinkSpec
from sinks.process import run_sink
from storage.streams.positions import Consumer

CONSUMER: Final = Consumer.ANALYTICS
TOPICS: Final = (EVENTS.name, SUBSCRIPTION_EVENTS.name, CLEARING_EVENTS.name)
#: Few large inserts rather than many small ones: each becomes a part that ClickHouse must merge. Events per batch,
#: and the greatest age of its first event, seconds: half of the promised lag.
BATCH_MAX: Final = 5_000
LINGER_S: Final = 1.0


def spec(settings: ClickHouseSettings) -> SinkSpec[Translated]:
    """What this sink reads, translates and writes."""
    return SinkSpec(CONSUMER, TOPICS, translate, ClickHouseInserter(settings.clickhouse_url), BATCH_MAX, LINGER_S)


def run(settings: AnalyticsSettings) -> None:
    """Run until SIGTERM or SIGINT."""
    run_sink(settings, spec(settings))
