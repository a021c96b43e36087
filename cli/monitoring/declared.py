"""The metrics that our processes declare, and those that the watch table asks for."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry

import admin.metrics
import ingest_api.metrics
import monitoring.metrics
import reconciliation.metrics
import sinks.metrics
import streams.metrics
from monitoring.watch import TABLE, Watched, expression

#: Made by Prometheus itself.
_OF_PROMETHEUS: Final = frozenset({"up"})
_SUFFIXES: Final = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
#: What is no metric in PromQL: strings, label lists, ranges, durations.
_NOT_METRICS: Final = re.compile(
    r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|on|without|ignoring|group_left)\s*\([^)]*\)|\boffset\s+\w+'
)
_NAME: Final = re.compile(r"\b[a-z][a-z0-9_]*\b(?!\s*\()")
_WORDS: Final = frozenset({"and", "or", "unless", "bool", "offset", "by", "on"})


def declared() -> set[str]:
    """The names of all samples that our processes can have."""
    return set(_OF_PROMETHEUS).union(*map(_names, _registries()))


def asked(query: str) -> set[str]:
    """The metrics that a query names."""
    return set(_NAME.findall(_NOT_METRICS.sub(" ", query))) - _WORDS


def undeclared(table: Sequence[Watched] = TABLE) -> Iterator[tuple[str, str]]:
    """Title and name of each metric that is asked for and that no process declares."""
    known = declared()
    for watched in table:
        for query in (watched.query, *(expression(watched, alert) for alert in watched.alerts)):
            for name in sorted(asked(query) - known):
                yield watched.title, name


def _registries() -> Iterable[CollectorRegistry]:
    return (
        admin.metrics.Metrics().registry,
        ingest_api.metrics.Metrics().registry,
        monitoring.metrics.Metrics().registry,
        reconciliation.metrics.Metrics().registry,
        sinks.metrics.Metrics("sink.rabbitmq").registry,
        streams.metrics.Metrics().registry,
    )


def _names(registry: CollectorRegistry) -> set[str]:
    return {metric.name + suffix for metric in registry.collect() for suffix in _SUFFIXES.get(metric.type, ("",))}
