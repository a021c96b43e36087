"""A worker that kills itself with SIGKILL at a named point: ``python -m tests.e2e.crashing_worker POINT``.

The worker is the real one; only the step at which it dies is wrapped. It dies at the first refund it meets there, so
that what may happen twice is money going out.
"""

import os
import signal
import sys
from typing import Any, Final

from aiohttp import ClientResponse

from billing.messages import ProviderRequest
from billing.messages.topics import REQUESTS
from billing.vocabulary import Action
from providers.yandex_pay import YandexPay
from runtime.kafka.publisher import OutboundMessage, Publisher
from runtime.logging import setup
from runtime.settings import Settings
from storage.payments.save import Changes
from streams.payments import agent
from streams.worker import run


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before_the_transaction() -> None:
    save = agent.save

    async def dying(connection: Any, changes: Changes, moves: Any) -> None:
        if asks_for_refund(b"".join(bytes(row.outputs) for row in changes.journal)):
            die()
        await save(connection, changes, moves)

    agent.save = dying


def after_the_transaction() -> None:
    publish = Publisher.publish

    async def dying(self: Publisher, outputs: list[OutboundMessage]) -> None:
        if any(asks_for_refund(bytes(output.value)) for output in outputs):
            die()
        await publish(self, outputs)

    Publisher.publish = dying  # type: ignore[method-assign]


def before_the_next_transaction() -> None:
    publish = Publisher.publish

    async def dying(self: Publisher, outputs: list[OutboundMessage]) -> None:
        await publish(self, outputs)
        if any(output.topic == REQUESTS.name and asks_for_refund(bytes(output.value)) for output in outputs):
            die()

    Publisher.publish = dying  # type: ignore[method-assign]


def before_the_call() -> None:
    perform = YandexPay.perform

    async def dying(self: YandexPay, request: ProviderRequest) -> Any:
        if request.action is Action.REFUND:
            die()
        return await perform(self, request)

    YandexPay.perform = dying  # type: ignore[method-assign]


def during_the_call() -> None:
    start = ClientResponse.start

    async def dying(self: ClientResponse, connection: Any) -> Any:
        started = await start(self, connection)
        if self.url.path.endswith("/refund"):
            die()
        return started

    ClientResponse.start = dying  # type: ignore[method-assign]


def after_the_call() -> None:
    perform = YandexPay.perform

    async def dying(self: YandexPay, request: ProviderRequest) -> Any:
        result = await perform(self, request)
        if request.action is Action.REFUND:
            die()
        return result

    YandexPay.perform = dying  # type: ignore[method-assign]


POINTS: Final = {
    point.__name__: point
    for point in (
        before_the_transaction,
        after_the_transaction,
        before_the_next_transaction,
        before_the_call,
        during_the_call,
        after_the_call,
    )
}


def asks_for_refund(outputs: bytes) -> bool:
    return b'"action":"REFUND"' in outputs


if __name__ == "__main__":
    setup.configure()
    POINTS[sys.argv[1]]()
    run(Settings())
