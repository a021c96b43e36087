"""What the metrics of every process have in common: the registry and the port where Prometheus reads it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from runtime.kafka import dead_letters
from runtime.retry import OUTAGES, RETRIES
from runtime.settings import MetricsSettings

#: Buckets for anything that takes from a millisecond to half a minute.
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


def new_registry() -> CollectorRegistry:
    """A registry with the metrics of the process itself, its retries and its dead letters. One per process, so that
    two applications in one test do not count each other's work."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    for collector in (RETRIES, OUTAGES, dead_letters.WRITTEN):
        registry.register(collector)
    return registry


@contextmanager
def served(registry: CollectorRegistry, settings: MetricsSettings) -> Iterator[None]:
    """Serve the registry at ``http://<metrics_host>:<metrics_port>/metrics``; not at all on port 0."""
    if settings.metrics_port == 0:
        yield
        return
    server, thread = start_http_server(settings.metrics_port, settings.metrics_host, registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
