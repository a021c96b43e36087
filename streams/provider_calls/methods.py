"""Whether a saved method may be charged: read from Postgres right before each charge.

Nothing is remembered: a method that is removed while its charges wait in Kafka is charged by none of them. While Postgres
does not answer the charges wait.
"""

import time
from collections.abc import Callable
from types import MappingProxyType
from typing import Final, Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from billing.messages import ProviderRequest
from billing.reasons import Reason
from billing.vocabulary import MethodStatus
from runtime.postgres import POSTGRES_ERRORS
from runtime.retry import Retry
from storage import saved_methods

#: A read that took longer may be of a time before the removal: it is repeated.
FRESH_S: Final = 0.5
_REFUSALS: Final = MappingProxyType(
    {MethodStatus.REMOVED: Reason.METHOD_REMOVED, MethodStatus.DEAD: Reason.METHOD_DEAD}
)


class MethodGate(Protocol):
    """Stands before every charge of a saved method."""

    async def refusal(self, request: ProviderRequest) -> Reason | None:
        """Why the request may not be sent; ``None`` where it may."""


class SavedMethods:
    """The gate, by the saved methods in Postgres. One that Postgres does not know was not removed."""

    def __init__(self, engine: AsyncEngine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock

    async def refusal(self, request: ProviderRequest) -> Reason | None:
        """Why the request may not be sent; ``None`` where it may. Waits for Postgres."""
        ref, order = request.saved_method, request.order
        if ref is None or order is None:
            return None
        asked = self._clock()

        async def read() -> Reason | None:
            nonlocal asked
            async with self._engine.connect() as connection:
                asked = self._clock()
                status = await saved_methods.status(connection, request.provider, ref, order.customer_id)
                return None if status is None else _REFUSALS.get(status)

        while True:
            refusal = await Retry("read saved method", POSTGRES_ERRORS).run(read, provider=request.provider)
            if refusal is not None or self._clock() - asked < FRESH_S:
                return refusal
