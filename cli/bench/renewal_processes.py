"""The processes of ``billing bench --only renewals``: ``python -m cli.bench.renewal_processes PART``, with the settings of
the stack, and with a database and topics of the benchmark's own.

``worker``: a worker with the agent of subscriptions alone. ``job``: the renewal job, without the bound of charges a second
and of unanswered ones, until it is stopped.
"""

import asyncio
import sys
from typing import Final

import uvloop
from faust.worker import Worker

from billing.messages.topics import SUBSCRIPTIONS, TOPICS
from cli.bench.isolation import PREFIX
from reconciliation.inbox import waiting_in_inbox
from reconciliation.metrics import Metrics
from reconciliation.renewals.job import RenewalJob
from reconciliation.renewals.pace import Bounds
from runtime import gc
from runtime.kafka.clients import new_consumer, new_producer
from runtime.kafka.publisher import Publisher
from runtime.logging import setup
from runtime.postgres import create_engine
from runtime.process import on_stop
from runtime.settings import Settings
from streams.app import BillingApp, declare_agent

#: Between two looks whether the worker has processed what a run sent: the next run would send it again, seconds. A look asks
#: Kafka and Postgres: twenty a second took as much CPU as the job itself.
PAUSE_S: Final = 0.5
WITHOUT_PACE: Final = Bounds(per_s=None, unanswered=sys.maxsize)


def main(part: str) -> None:
    """Work until a signal stops it."""
    setup.configure()
    settings = Settings()
    for topic in TOPICS:
        object.__setattr__(topic, "name", PREFIX + topic.name)
    gc.freeze_startup_objects()  # as `billing run` does
    if part == "job":
        uvloop.run(_job(settings))
        return
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    app = BillingApp(settings, group=PREFIX + "renewals")
    declare_agent(app, SUBSCRIPTIONS.name)
    Worker(app, loop=loop, quiet=True, override_logging=False, redirect_stdouts=False).execute_from_commandline()


async def _job(settings: Settings) -> None:
    engine, producer, consumer = create_engine(settings), new_producer(settings), new_consumer(settings)
    await producer.start()
    await consumer.start()
    stopped = asyncio.Event()
    waiting = waiting_in_inbox(producer, consumer, engine)
    job = RenewalJob(
        engine,
        Publisher(producer),
        waiting,
        Metrics(),
        zone=settings.business_zone,
        bounds=WITHOUT_PACE,
    )

    def stop() -> None:
        stopped.set()
        job.stop()

    on_stop(stop)
    try:
        while not stopped.is_set():
            if not await waiting():
                await job.run()
            await asyncio.sleep(PAUSE_S)
    finally:
        await producer.stop()
        await consumer.stop()
        await engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1])
