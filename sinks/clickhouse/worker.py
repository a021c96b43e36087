"""The process that writes operations to ClickHouse."""

from typing import Final

from analytics.translate import EventRows
from billing.messages.topics import EVENTS
from runtime.settings import Settings
from sinks.clickhouse.inserter import ClickHouseInserter, translate
from sinks.delivery import SinkSpec
from sinks.process import run_sink
from storage.streams.positions import Consumer

CONSUMER: Final = Consumer.ANALYTICS
#: Few large inserts rather than many small ones: each becomes a part that ClickHouse must merge. Events per batch,
#: and how old the first may get, seconds: half of the lag we promise is left for the rest of the way.
BATCH_MAX: Final = 5_000
LINGER_S: Final = 1.0


def spec(settings: Settings) -> SinkSpec[EventRows]:
    """Events to rows to ClickHouse."""
    return SinkSpec(CONSUMER, EVENTS.name, translate, ClickHouseInserter(settings.clickhouse_url), BATCH_MAX, LINGER_S)


def run(settings: Settings) -> None:
    """Run until SIGTERM."""
    run_sink(settings, spec(settings))
