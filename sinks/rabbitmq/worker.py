"""The process that sends signals to RabbitMQ."""

from typing import Final

from billing.messages.topics import CLEARING_EVENTS, EVENTS, SUBSCRIPTION_EVENTS
from runtime.settings import RabbitmqSettings, SignalsSettings
from sinks.delivery import SinkSpec
from sinks.process import run_sink
from sinks.rabbitmq.publisher import Outgoing, SignalPublisher, translate
from storage.streams.positions import Consumer

CONSUMER: Final = Consumer.SIGNALS
TOPICS: Final = (EVENTS.name, SUBSCRIPTION_EVENTS.name, CLEARING_EVENTS.name)
#: Events per batch, with a few signals each. No lingering: a customer waits for access.
BATCH_MAX: Final = 500


def spec(settings: RabbitmqSettings) -> SinkSpec[tuple[Outgoing, ...]]:
    """What this sink reads, translates and publishes."""
    return SinkSpec(CONSUMER, TOPICS, translate, SignalPublisher(settings.rabbitmq_url), BATCH_MAX)


def run(settings: SignalsSettings) -> None:
    """Run until SIGTERM or SIGINT."""
    run_sink(settings, spec(settings))
