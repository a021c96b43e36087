"""The measured process of ``billing bench --only clearing``: ``python -m cli.bench.clearing_process DAY REGISTERS_URL``, with
the settings of the stack, and with a database and topics of the benchmark's own. It clears the day as the scheduler does,
and writes what it took as JSON."""

import resource
import sys
import time
from datetime import date
from typing import Any

import msgspec
import uvloop

from billing.messages.topics import TOPICS
from cli.bench.cleared_operations import PROVIDER
from cli.bench.isolation import PREFIX
from providers.registry import PLUGINS, read_settings
from reconciliation.clearing.job import LIMITS, clear_day, job_name
from reconciliation.process import STATEMENT_TIMEOUT_S
from runtime import gc
from runtime.clock import utc_now
from runtime.kafka.clients import new_producer
from runtime.kafka.publisher import Publisher
from runtime.logging import setup
from runtime.postgres import create_engine
from runtime.process import lower_priority
from runtime.settings import Settings
from storage import job_runs
from storage.processes.locks import Lock, writing


async def clear(day: date, registers_url: str) -> dict[str, Any]:
    """Clear the day; the figures of the process."""
    settings = Settings()
    account = read_settings()[PROVIDER].model_copy(update={"registers_url": registers_url})
    provider = PLUGINS[PROVIDER].provider(account, LIMITS)
    engine = create_engine(settings, command_timeout_s=STATEMENT_TIMEOUT_S)
    producer = new_producer(settings)
    await provider.start()
    try:
        async with producer, writing(engine, Lock.CLEARING, PROVIDER) as connection:
            assert connection is not None
            async with connection.begin():
                await job_runs.open_runs(connection, job_name(PROVIDER), [day])
            started = time.perf_counter()
            ran = await clear_day(connection, Publisher(producer), provider, PROVIDER, day, now=utc_now, believe=False)
            seconds = time.perf_counter() - started
    finally:
        await provider.close()
        await engine.dispose()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": round(seconds, 2), "peak_mb": round(peak_mb, 1), "ran": msgspec.to_builtins(ran)}


def main(day: str, registers_url: str) -> None:
    """Clear the day and print the figures."""
    setup.configure()
    for topic in TOPICS:
        object.__setattr__(topic, "name", PREFIX + topic.name)
    gc.freeze_startup_objects()  # as `billing run` does
    lower_priority()  # as the scheduler does

    figures = uvloop.run(clear(date.fromisoformat(day), registers_url))
    sys.stdout.write(msgspec.json.encode(figures).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
