"""Every metric of the monitor, declared and explained: the numbers of the books."""

from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from billing.clearing.discrepancies import Kind
from billing.vocabulary import OperationType, PaymentStatus
from monitoring.books import Books, age_s
from runtime.metrics import new_registry
from runtime.series import Bound, Values

#: Names with series of their own; the rest share one.
_PROVIDERS: Final = 12
_CONSUMERS: Final = 12
_TOPICS: Final = 20
_PARTITIONS: Final = 100
_CURRENCIES: Final = 6
_JOBS: Final = 20
_PROCESSES: Final = 8
_VERSIONS: Final = 6
_APPROVALS: Final = ("waiting", "not sent")
_STATES: Final = (PaymentStatus.PENDING, PaymentStatus.AUTHORIZED)

Samples = Iterable[tuple[tuple[str, ...], float]]


class _Gauge:
    """A gauge that is made from the books whenever it is read. What shares a series is added up, or the largest of it."""

    def __init__(
        self,
        name: str,
        meaning: str,
        samples: Callable[[Books], Samples],
        combine: Callable[[float, float], float] = max,
        /,
        **bounds: Values,
    ) -> None:
        self._name, self._meaning, self._samples, self._combine = name, meaning, samples, combine
        self._bounds = {label: Bound(bound) for label, bound in bounds.items()}

    def read(self, books: Books | None) -> Metric:
        family = GaugeMetricFamily(self._name, self._meaning, labels=list(self._bounds))
        found: dict[tuple[str, ...], float] = {}
        for values, number in () if books is None else self._samples(books):
            known = tuple(bound(value) for bound, value in zip(self._bounds.values(), values, strict=True))
            found[known] = self._combine(found[known], number) if known in found else number
        for known, number in found.items():
            family.add_metric(known, number)
        return family


class Metrics(Collector):
    """One registry per process. While another process is the elected one, only ``monitor_elected`` has a series.

    The books are read whole or not at all: a series that vanished for a moment would end an alert.
    """

    def __init__(self) -> None:
        self._books: Books | None = None
        self._gauges = _gauges()
        self.registry = new_registry()
        self.registry.register(self)

    def stand_by(self) -> None:
        """Another process reads the books."""
        self._books = None

    def show(self, books: Books) -> None:
        """The books as they are now. What is not there any more loses its series."""
        self._books = books

    def collect(self) -> Iterable[Metric]:
        """For Prometheus."""
        books = self._books
        elected = "1 in the one process that reads the books, 0 in a spare."
        yield GaugeMetricFamily("monitor_elected", elected, 0 if books is None else 1)
        for gauge in self._gauges:
            yield gauge.read(books)


def _sum(one: float, other: float) -> float:
    return one + other


def _gauges() -> list[_Gauge]:
    return [*_payments(), *_streams(), *_waiting(), *_money(), *_running()]


def _payments() -> list[_Gauge]:
    return [
        _Gauge(
            "books_unfinished_payments",
            "Payments that are not final, by provider and state.",
            lambda books: (((one.provider, one.state), one.number) for one in books.unfinished),
            _sum,
            provider=_PROVIDERS,
            state=_STATES,
        ),
        _Gauge(
            "books_unfinished_oldest_seconds",
            "Age of the oldest payment that is not final, by provider and state.",
            lambda books: (((one.provider, one.state), age_s(one.oldest, books.at)) for one in books.unfinished),
            provider=_PROVIDERS,
            state=_STATES,
        ),
        _Gauge(
            "books_unknown_operations",
            "Operations whose outcome is not known, by provider and type.",
            lambda books: (((one.provider, one.kind), one.number) for one in books.unknown),
            _sum,
            provider=_PROVIDERS,
            type=OperationType,
        ),
        _Gauge(
            "books_unknown_oldest_seconds",
            "Age of the oldest operation whose outcome is not known, by provider and type.",
            lambda books: (((one.provider, one.kind), age_s(one.oldest, books.at)) for one in books.unknown),
            provider=_PROVIDERS,
            type=OperationType,
        ),
        _Gauge(
            "books_follow_ups_overdue",
            "Operations whose question to the provider is due for more than a minute; at most 10,000 are counted.",
            lambda books: (((one.provider,), one.number) for one in books.overdue),
            _sum,
            provider=_PROVIDERS,
        ),
    ]


def _streams() -> list[_Gauge]:
    place = {"consumer": _CONSUMERS, "topic": _TOPICS, "partition": _PARTITIONS}

    def lags(number: Callable[[float, float, float], float]) -> Callable[[Books], Samples]:
        return lambda books: (
            ((one.consumer, one.topic, str(one.partition)), number(*one.lag))
            for one in books.lags
            if one.lag is not None
        )

    return [
        _Gauge(
            "books_lag_messages",
            "Messages in Kafka after the position in Postgres.",
            lags(lambda messages, _seconds, _still: messages),
            _sum,
            **place,
        ),
        _Gauge(
            "books_lag_seconds",
            "Since when the oldest message after the position is there, as the monitor saw it; 0 without one.",
            lags(lambda _messages, seconds, _still: seconds),
            **place,
        ),
        _Gauge(
            "books_still_seconds",
            "For how long the position has not moved although messages are there; 0 while it moves.",
            lags(lambda _messages, _seconds, still: still),
            **place,
        ),
        _Gauge(
            "books_partitions",
            "Partitions of a topic.",
            lambda books: (((topic,), number) for topic, number in (books.partitions or {}).items()),
            topic=_TOPICS,
        ),
        _Gauge(
            "books_unpublished_messages",
            "Journalled messages whose outputs are not known to be in Kafka. The last batch counts until the next.",
            lambda books: (((name, str(part)), number) for (name, part), number in books.unpublished.items()),
            _sum,
            consumer=_CONSUMERS,
            partition=_PARTITIONS,
        ),
    ]


def _waiting() -> list[_Gauge]:
    return [
        _Gauge(
            "books_parked_callbacks",
            "Callbacks that wait for their payment; at most 10,000 are counted.",
            lambda books: (((one.provider,), one.number) for one in books.parked),
            _sum,
            provider=_PROVIDERS,
        ),
        _Gauge(
            "books_parked_oldest_seconds",
            "Age of the oldest callback that waits for its payment.",
            lambda books: (((one.provider,), age_s(one.oldest, books.at)) for one in books.parked),
            provider=_PROVIDERS,
        ),
        _Gauge(
            "books_letters_open",
            "Dead letters that nobody has replayed or discarded.",
            lambda books: () if books.letters_open is None else (((), books.letters_open),),
        ),
        _Gauge(
            "books_approvals_open",
            "Commands that wait for a second person, or that are approved and not sent; at most 10,000 are counted.",
            lambda books: (((one.state,), one.number) for one in books.approvals),
            _sum,
            state=_APPROVALS,
        ),
        _Gauge(
            "books_approvals_oldest_seconds",
            "Age of the oldest of them: since it was asked for, or approved.",
            lambda books: (((one.state,), age_s(one.oldest, books.at)) for one in books.approvals),
            state=_APPROVALS,
        ),
        _Gauge(
            "books_provider_enabled",
            "Whether operators let a provider be called that was ever switched.",
            lambda books: (((name,), switch.enabled) for name, switch in books.switches.items()),
            provider=_PROVIDERS,
        ),
        _Gauge(
            "books_breakers_open",
            "Workers whose breaker holds the provider back; no series while none does.",
            lambda books: (((one.provider,), 1) for one in books.breakers),
            _sum,
            provider=_PROVIDERS,
        ),
    ]


def _money() -> list[_Gauge]:
    return [
        _Gauge(
            "books_ledger_imbalance_minor",
            "Sum of the ledger entries of the last two minutes, minor units; anything but 0 is wrong.",
            lambda books: (((currency,), amount) for currency, amount in books.imbalance.items()),
            _sum,
            currency=_CURRENCIES,
        ),
        _Gauge(
            "books_discrepancies_open",
            "Discrepancies that are not closed, by provider and kind.",
            lambda books: (((one.provider, one.kind), one.number) for one in books.differences),
            _sum,
            provider=_PROVIDERS,
            kind=Kind,
        ),
        _Gauge(
            "books_discrepancies_minor",
            "What the books say more than the provider in discrepancies that are not closed, minor units.",
            lambda books: (
                ((one.provider, one.currency), one.amount) for one in books.differences if one.currency is not None
            ),
            _sum,
            provider=_PROVIDERS,
            currency=_CURRENCIES,
        ),
    ]


def _running() -> list[_Gauge]:
    return [
        _Gauge(
            "books_read_timestamp_seconds",
            "When the books were read last (Unix time): ages are as of then.",
            lambda books: (((), books.at.timestamp()),),
        ),
        _Gauge(
            "books_job_finished_timestamp_seconds",
            "When a date of a job was finished last (Unix time).",
            lambda books: (
                ((job.name,), job.finished_at.timestamp()) for job in books.jobs if job.finished_at is not None
            ),
            name=_JOBS,
        ),
        _Gauge(
            "books_job_braked",
            "1 while a job waits for a person.",
            lambda books: (((job.name,), job.braked) for job in books.jobs),
            name=_JOBS,
        ),
        _Gauge(
            "books_processes",
            "Processes that hold a lease, by kind and version.",
            lambda books: (((one.kind, one.version), one.number) for one in books.processes),
            _sum,
            process=_PROCESSES,
            version=_VERSIONS,
        ),
    ]
