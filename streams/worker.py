"""A worker process: runs the Faust app until SIGTERM."""

import asyncio

import uvloop
from faust.worker import Worker

from runtime.metrics import served
from runtime.settings import WorkerSettings
from streams.app import build_app


def run(settings: WorkerSettings) -> None:
    """Run the agents; returns after SIGTERM, once the batches in progress are finished."""
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    app = build_app(settings)
    # Logging is set up before: Faust's own would let every library build its debug records, to turn a spinner.
    worker = Worker(app, loop=loop, quiet=True, override_logging=False, redirect_stdouts=False)
    with served(app.billing.metrics.registry, settings):
        worker.execute_from_commandline()
