"""An ingest process under load: ``python -m cli.bench.ingest_server PART`` with the settings of the stack.

``commands``: the real one, but it writes to the benchmark's own topics, which no process reads.
``floor``: the same server with an endpoint that only validates the same body.
"""

import dataclasses
import sys
from collections.abc import Sequence

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cli.bench.isolation import PREFIX
from ingest_api.edge.uvicorn_server import server_config
from ingest_api.kafka.writer import KafkaWriter
from ingest_api.payments.schemas import CreatePaymentIn, parse
from ingest_api.server import build_dependencies, serve
from runtime import gc
from runtime.logging import setup
from runtime.settings import Settings


class BenchmarkWriter(KafkaWriter):
    """Writes to the benchmark's topics."""

    async def store(self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        await super().store(PREFIX + topic, key, value, headers)


async def validate(scope: Scope, receive: Receive, send: Send) -> None:
    """Read and validate a command, and respond with as many bytes as ingest does."""
    if scope["type"] == "http":
        body = parse(CreatePaymentIn, await Request(scope, receive).body())
        answer = Response(b'{"id":"%s"}' % body.customer_id.encode(), status_code=202, media_type="application/json")
        await answer(scope, receive, send)


def main(part: str) -> None:
    """Serve until a signal stops it."""
    setup.configure()
    settings = Settings()
    dependencies = build_dependencies(settings)
    gc.freeze_startup_objects()  # as `billing run` does
    if part == "floor":
        config = server_config(dependencies, validate, settings.ingest_host, settings.ingest_port)
        config.lifespan = "off"
        uvicorn.Server(config).run()
        return
    serve(dataclasses.replace(dependencies, writer=BenchmarkWriter(settings, dependencies.metrics)))


if __name__ == "__main__":
    main(sys.argv[1])
