"""Clearing: how days stand, discrepancies and decisions on them, the books' days."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from billing_client.clearing_models import Discrepancy, FoundDiscrepancy, ProviderDay, Stuck, TrialBalance
from billing_client.models import Entries
from billing_client.transport import Transport

Resolution = Literal["corrected", "recorded", "refunded_at_provider", "not_ours", "written_off", "accepted"]
_PATH: Final = "/v1/clearing"


class Clearing:
    """Clearing. The admin process serves it: make a client with its address. Decisions take ``seen``, the ``version`` that
    you read, and ``idempotency_key`` (random if left out); one on another version raises
    :class:`~billing_client.errors.InvalidRequest` with the code ``discrepancy-changed``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def days(self, **filters: str) -> tuple[ProviderDay, ...]:
        """How business days stand at each provider, the latest first. ``filters``: ``to``, ``provider``, ``state``,
        ``limit``; ``**{"from": "2026-11-01"}``."""
        answer = await self._transport.send("GET", f"{_PATH}/days", params=filters)
        return answer.read(Entries[ProviderDay]).data

    async def day(self, day: date) -> tuple[ProviderDay, ...]:
        """How one business day stands at each provider that has a run of it."""
        return (await self._transport.send("GET", f"{_PATH}/days/{day}")).read(_Day).providers

    async def request_run(self, provider: str, day: date, reason: str, *, believe: bool = False) -> ProviderDay:
        """Let the scheduler run a day again, or for the first time: read the day until its state is ``done``. ``believe``:
        you have looked at a statement that is doubted."""
        body = {"provider": provider, "date": day, "reason": reason, "believe": believe}
        return (await self._transport.command("POST", f"{_PATH}/runs", body, None)).read(ProviderDay)

    async def discrepancies(self, **filters: str) -> AsyncIterator[Discrepancy]:
        """All discrepancies that match, the most urgent first, page by page. ``filters``: ``provider``, ``date``, ``kind``,
        ``state``, ``severity``, ``owner``, ``payment_id``; without a state all that are not ``CLOSED``."""
        params = dict(filters)
        while True:
            page = (await self._transport.send("GET", f"{_PATH}/discrepancies", params=params)).read(_Page)
            for discrepancy in page.data:
                yield discrepancy
            if page.next_cursor is None:
                return
            params["cursor"] = page.next_cursor

    async def discrepancy(self, id: UUID) -> FoundDiscrepancy:
        """One discrepancy with its history."""
        return (await self._transport.send("GET", f"{_PATH}/discrepancies/{id}")).read(FoundDiscrepancy)

    async def claim(self, id: UUID, reason: str, *, seen: int, idempotency_key: str | None = None) -> Discrepancy:
        """Take a discrepancy on under the client's name."""
        return await self._decide(id, "claim", {"reason": reason}, seen, idempotency_key)

    async def resolve(
        self, id: UUID, resolution: Resolution, reason: str, *, seen: int, idempotency_key: str | None = None
    ) -> Discrepancy:
        """Decide on a discrepancy. The next statements have to confirm it, else it opens again."""
        return await self._decide(id, "resolve", {"resolution": resolution, "reason": reason}, seen, idempotency_key)

    async def reopen(self, id: UUID, reason: str, *, seen: int, idempotency_key: str | None = None) -> Discrepancy:
        """Take a decision back."""
        return await self._decide(id, "reopen", {"reason": reason}, seen, idempotency_key)

    async def trial_balance(self, day: date) -> TrialBalance:
        """Every account over a day of the books: as it was closed, or as it stands."""
        return (await self._transport.send("GET", f"{_PATH}/trial-balance/{day}")).read(TrialBalance)

    async def close_day(self, day: date, reason: str, *, force: bool = False) -> TrialBalance:
        """Close a day of the books for good. A day that is closed is returned as it was closed. ``force``: also where
        clearing is not through with it."""
        body = {"reason": reason, "force": force}
        answer = await self._transport.command("POST", f"{_PATH}/days/{day}/close", body, None)
        return answer.read(TrialBalance)

    async def stuck(self) -> tuple[Stuck, ...]:
        """What nothing has settled in time, by rule."""
        return (await self._transport.send("GET", f"{_PATH}/stuck")).read(Entries[Stuck]).data

    async def report(self, day: date, format: Literal["html", "csv"], **filters: str) -> bytes:
        """The report of a day for finance. ``filters``: ``provider``; of CSV also ``section``."""
        return (await self._transport.send("GET", f"{_PATH}/days/{day}/report.{format}", params=filters)).body

    async def _decide(self, id: UUID, what: str, body: dict[str, Any], seen: int, key: str | None) -> Discrepancy:
        path, headers = f"{_PATH}/discrepancies/{id}/{what}", {"If-Match": f'"{seen}"'}
        return (await self._transport.command("POST", path, body, key, headers=headers)).read(Discrepancy)


class _Day(msgspec.Struct, frozen=True):
    providers: tuple[ProviderDay, ...]


class _Page(msgspec.Struct, frozen=True):
    data: tuple[Discrepancy, ...]
    next_cursor: str | None = None
