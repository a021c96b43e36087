"""Whether a provider may be called: an operator's switch (Postgres, all workers) and a breaker (this worker)."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.reasons import Reason
from providers.base import CallResult
from runtime.periodic import run_periodically
from storage.providers.switches import Switch, report_breakers, switches
from streams.provider_calls.breaker import Breaker, State

log = structlog.get_logger(__name__)

#: Maximum delay before a worker follows a switch, seconds.
LOOK_EVERY_S: Final = 1.0


class Availability:
    """The availability of all providers in one worker. ``worker`` names the process where its breakers are listed."""

    def __init__(
        self,
        engine: AsyncEngine,
        providers: Iterable[str],
        worker: str,
        *,
        breaker: Callable[[], Breaker] = Breaker,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._worker = worker
        self._now = now
        self._breakers = {name: breaker() for name in providers}
        self._switches: Mapping[str, Switch] = {}
        self._opened: dict[str, tuple[str, datetime]] = {}
        self._reported = False

    def refusal(self, provider: str) -> Reason | None:
        """Why a call may not be made now; ``None`` when it may, and :meth:`note` must follow."""
        switch = self._switches.get(provider)
        if switch is not None and not switch.enabled:
            return Reason.PROVIDER_DISABLED
        return None if self._breakers[provider].admit() else Reason.BREAKER_OPEN

    @property
    def switched_off(self) -> set[str]:
        """The providers that an operator switched off."""
        return {provider for provider, switch in self._switches.items() if not switch.enabled}

    @property
    def failing(self) -> set[str]:
        """The providers that this worker does not call, except to find out whether they answer again."""
        return {provider for provider, breaker in self._breakers.items() if breaker.state is not State.CLOSED}

    def note(self, provider: str, result: CallResult) -> None:
        """Record how an admitted call ended."""
        breaker = self._breakers[provider]
        breaker.note(result)
        if breaker.state is State.CLOSED:
            if self._opened.pop(provider, None) is not None:
                log.warning("breaker closed: the provider answers again", provider=provider)
        elif provider not in self._opened:
            self._opened[provider] = (breaker.reason, self._now())
            log.error("breaker open: the provider is not called", provider=provider, reason=breaker.reason)

    async def look(self) -> None:
        """Read the switches and report the open breakers."""
        async with self._engine.begin() as connection:
            self._switches = await switches(connection)
            if self._opened or self._reported:
                await report_breakers(connection, self._worker, self._opened, self._now())
                self._reported = bool(self._opened)

    @property
    def breakers(self) -> dict[str, State]:
        """Provider → the state of its breaker in this worker."""
        return {provider: breaker.state for provider, breaker in self._breakers.items()}

    async def keep_looking(self) -> None:
        """Look every :data:`LOOK_EVERY_S`, forever. Without Postgres the last known switches hold."""
        await run_periodically(
            LOOK_EVERY_S, self.look, "postgres is unavailable, the last known provider switches hold"
        )
