"""Switch a provider off and on, and show which providers are called."""

import asyncio

import msgspec

from backoffice.follow_ups import send_follow_ups
from backoffice.operators import InvalidArgument, Operator, recorded
from providers import registry
from runtime.clock import utc_now
from runtime.postgres import connected
from runtime.settings import AdminSettings, PostgresSettings, Settings
from storage.payments.follow_ups import held_back
from storage.providers.switches import OpenBreaker, Switch, open_breakers, switches, turn
from streams.provider_calls.availability import LOOK_EVERY_S


class ProviderState(msgspec.Struct, frozen=True):
    """``switch``: the latest one, ``None`` if the provider was never switched. ``breakers``: those that hold calls
    back now, by worker. ``waiting``: operations that could not be sent and will be tried again."""

    provider: str
    enabled: bool
    switch: Switch | None
    breakers: list[OpenBreaker]
    waiting: int


async def list_providers(settings: PostgresSettings) -> list[ProviderState]:
    """Every configured provider, and every one that was ever switched, by name."""
    now = utc_now()
    async with connected(settings) as engine, engine.connect() as connection:
        latest = await switches(connection)
        breakers = await open_breakers(connection, now)
        return [
            ProviderState(
                provider=name,
                enabled=name not in latest or latest[name].enabled,
                switch=latest.get(name),
                breakers=[breaker for breaker in breakers if breaker.provider == name],
                waiting=len(await held_back(connection, name, now)),
            )
            for name in sorted(registry.PLUGINS.keys() | latest.keys())
        ]


async def disable(settings: PostgresSettings, operator: Operator, provider: str) -> int:
    """Stop calling a provider; returns how many operations wait for it once every worker has seen the switch.

    Operations wait, callbacks are still accepted. Raises :class:`InvalidArgument` for an unknown provider.
    """
    await _switch(settings, operator, provider, enabled=False)
    async with connected(settings) as engine, engine.connect() as connection:
        return len(await held_back(connection, provider, utc_now()))


async def enable(settings: Settings | AdminSettings, operator: Operator, provider: str) -> int:
    """Call a provider again, and send the operations that waited for it; returns how many.

    Their schedule would send them within a minute: a customer may wait for one. If the sending fails, it does. Raises
    :class:`InvalidArgument` for an unknown provider.
    """
    await _switch(settings, operator, provider, enabled=True)
    async with connected(settings) as engine, engine.connect() as connection:
        waiting = await held_back(connection, provider, utc_now())
    await send_follow_ups(settings, waiting)
    return len(waiting)


async def _switch(settings: PostgresSettings, operator: Operator, provider: str, *, enabled: bool) -> None:
    """Return once every worker has seen the switch."""
    known = sorted(registry.PLUGINS)
    if provider not in known:
        raise InvalidArgument(f"there is no provider {provider!r}; there are: {', '.join(known)}")
    action = "enable_provider" if enabled else "disable_provider"
    async with (
        connected(settings) as engine,
        recorded(engine, operator, action, "provider", provider) as record,
        engine.begin() as connection,
    ):
        await turn(connection, provider, Switch(enabled, operator.reason, operator.name, utc_now()))
        await record.complete(connection)
    await asyncio.sleep(2 * LOOK_EVERY_S)
