"""The panel over days that were cleared."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec

from billing.clearing.discrepancies import Kind
from providers.statements import LineKind
from reconciliation.clearing.closing import ClosingJob
from reconciliation.clearing.job import ClearingJob, job_name
from reconciliation.clearing.run import Ran
from reconciliation.metrics import Metrics
from storage import job_runs
from storage.clearing.discrepancies import Finding, discrepancy_id, record
from storage.processes.leases import SCHEDULER, Lease
from tests.support.clearing import DAY, SETTLEMENT, Cleared, charge, line
from tests.support.factories import NOW, PROVIDER
from tests.support.panel import Panel

KEY = re.compile(r'name="key" value="([0-9a-f-]{36})"')
VERSION = re.compile(r'name="version" value="(\d+)"')


class ClearingPanel(Panel):
    """``books``: payments, and the provider's statement of them."""

    def __init__(self, world: Any, database: Any) -> None:
        super().__init__(world, database)
        self.books = Cleared(database)

    async def a_cleared_day(self) -> tuple[Any, UUID]:
        """A day on which a line has another amount than its payment, one is of nobody, and one is late. The payment, and
        the id of the discrepancy about it."""
        wrong, fine, _late = await self.books.paid(3)
        self.books.has(
            msgspec.structs.replace(charge(wrong), amount=wrong.captured - 10_050),
            charge(fine),
            line(LineKind.CHARGE, 4_242, line_ref="stranger-1", order_ref="nobody's"),
        )
        await self.books.clear()
        return wrong, await self.id_of("amount_differs")

    async def id_of(self, kind: str) -> UUID:
        ((id,),) = await self.rows(f"SELECT id FROM discrepancies WHERE kind = '{kind}'")
        return UUID(str(id))

    async def found(self, number: int = 1, **fields: Any) -> list[UUID]:
        """Discrepancies that were just found, each an hour later than the one before."""
        ids = []
        for hours in range(number):
            values: dict[str, Any] = {"kind": Kind.UNKNOWN_PAYMENT, "currency": "RUB", "theirs": 50_000}
            finding = Finding(subject=f"line:{DAY}:{uuid4()}#1", **(values | fields))
            async with self.stream.engine.begin() as connection:
                at = NOW + timedelta(hours=hours)
                await record(connection, PROVIDER, DAY, [finding], at, actor="system:clearing")
            ids.append(discrepancy_id(PROVIDER, finding.subject))
        return ids

    async def ran(self, day: Any, **counts: Any) -> None:
        """The day is cleared, and nothing is said of it but ``counts``."""
        async with self.stream.engine.begin() as connection:
            await job_runs.open_runs(connection, job_name(PROVIDER), [day])
            await job_runs.finish_date(connection, job_name(PROVIDER), day, counts)

    async def hidden(self, id: UUID) -> dict[str, str]:
        """The fields that the discrepancy's forms have besides the token."""
        shown = await self.get(f"/discrepancies/{id}")
        return {"key": KEY.findall(shown)[0], "version": VERSION.findall(shown)[0]}

    async def decide(self, id: UUID, what: str, **fields: str) -> tuple[int, str]:
        """Send a form of the discrepancy's page as it is shown now; ``fields`` replace those that the page has."""
        filled = {"reason": "the provider's letter"} | await self.hidden(id) | fields
        response = await self.world.post(f"/discrepancies/{id}/{what}", filled)
        return response.status, await response.text()

    async def a_form(self, path: str, **fields: str) -> dict[str, str]:
        """The fields of the page's form, as it is shown now, with a reason; ``fields`` replace them."""
        return {"key": KEY.findall(await self.get(path))[0], "reason": "they have sent it again"} | fields

    async def ask(self, path: str, fields: dict[str, str] | None = None) -> tuple[int, str]:
        """Send the form of a page for runs, as :meth:`a_form` has it."""
        response = await self.world.post(path, await self.a_form(path) if fields is None else fields)
        return response.status, await response.text()

    async def close(self, day: Any, fields: dict[str, str] | None = None) -> tuple[int, str]:
        """Send the form of the books' page for ``day``."""
        fields = {"key": str(uuid4()), "reason": "the month ends"} if fields is None else fields
        response = await self.world.post(f"/clearing/books/{day}/close", fields)
        return response.status, await response.text()

    async def a_scheduler(self, lease_s: float = 600.0) -> Lease:
        """One that runs until its lease is over."""
        lease = Lease(SCHEDULER, "scheduler", "1", lease_s)
        async with self.stream.engine.begin() as connection:
            await lease.refresh(connection)
        return lease

    async def looks(self) -> list[Ran]:
        """The scheduler looks whether a day is to be cleared, once its statement can be ready."""
        books: Any = self.books
        books.now = max(books.now, SETTLEMENT.business_day(DAY)[1] + SETTLEMENT.ready_after + timedelta(minutes=1))
        providers: Any = {PROVIDER: books.statement}
        return await ClearingJob(books.engine, books.kafka, providers, Metrics(), now=lambda: books.now).look()

    async def closes(self) -> list[Any]:
        """The scheduler looks whether somebody asked to close a day."""
        settlements = {PROVIDER: SETTLEMENT}
        return await ClosingJob(self.books.engine, settlements, Metrics()).look(automatic=False)

    async def trail(self) -> list[tuple[Any, ...]]:
        """Commands: who, of what, why, what."""
        return await self.rows(
            "SELECT who, subject_id, reason, detail ->> 'action' FROM staff_trail WHERE kind = 'command' ORDER BY id"
        )

    async def state(self, id: UUID) -> tuple[str, int]:
        ((state, version),) = await self.rows(f"SELECT state, version FROM discrepancies WHERE id = '{id}'")
        return state, version
