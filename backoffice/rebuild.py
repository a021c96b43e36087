"""Rebuild every payment from its journal and compare it with the stored one. Changes nothing: only the payments agent
writes payments."""

from collections.abc import Callable
from typing import Final
from uuid import UUID

import msgspec

from runtime.logging.card_numbers import MASK
from runtime.logging.redaction import redact
from runtime.postgres import connected
from runtime.settings import PostgresSettings
from storage.journal.replay import Difference, check_payments, count_payments

#: Payments that are listed; all that differ are counted.
LISTED_MAX: Final = 1000


class RebuiltPayment(msgspec.Struct, frozen=True):
    """A payment that differs from its journal, with masked values."""

    id: UUID
    differences: list[Difference]


class RebuildReport(msgspec.Struct):
    """``different``: how many of the ``checked`` payments differ; ``payments``: the first 1000 of them. ``other_rules``:
    how many payments were not checked, since rules of another release decided messages to them."""

    checked: int = 0
    different: int = 0
    other_rules: int = 0
    payments: list[RebuiltPayment] = []


async def check(
    settings: PostgresSettings, limit: int | None, on_progress: Callable[[int, int], None]
) -> RebuildReport:
    """Compare every payment, or the first ``limit`` by id. ``on_progress(checked, total)`` follows each batch."""
    report = RebuildReport()
    async with connected(settings) as engine:
        async with engine.connect() as connection:
            total = await count_payments(connection)
        total = total if limit is None else min(limit, total)
        async for batch in check_payments(engine, limit=limit):
            for id, found in batch:
                if found is None:
                    report.other_rules += 1
                    continue
                report.checked += 1
                report.different += bool(found)
                if found and len(report.payments) < LISTED_MAX:
                    report.payments.append(RebuiltPayment(id, [_masked(difference) for difference in found]))
            on_progress(report.checked + report.other_rules, total)
    return report


def _masked(difference: Difference) -> Difference:
    """Masks by value and by field: the last name of a path like ``order.contact.email`` says what the value is."""
    hidden = redact({difference.field: ""})[difference.field] == MASK
    stored, rebuilt = (MASK if hidden else redact(side) for side in (difference.stored, difference.rebuilt))
    return Difference(difference.field, stored, rebuilt)
