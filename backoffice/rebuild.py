"""Rebuild every payment and subscription from its journal and compare it with the stored one. Changes nothing: only the
agents write them."""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import msgspec

from runtime.logging.card_numbers import MASK
from runtime.logging.redaction import redact
from runtime.postgres import connected
from runtime.settings import PostgresSettings
from storage.journal.replay import (
    REPLAYED_PAYMENTS,
    REPLAYED_SUBSCRIPTIONS,
    Difference,
    Replayed,
    check_stored,
    count_stored,
)

#: Of each kind so many are listed; all that differ are counted.
LISTED_MAX: Final = 1000


class Rebuilt(msgspec.Struct, frozen=True):
    """A payment or subscription that differs from its journal, with masked values."""

    id: UUID
    differences: list[Difference]


class RebuildReport(msgspec.Struct):
    """``different``: how many of the ``checked`` payments and subscriptions differ; ``payments``, ``subscriptions``: the
    first 1000 of each. ``other_rules``: how many were not checked, since rules of another release decided messages to
    them."""

    checked: int = 0
    different: int = 0
    other_rules: int = 0
    payments: list[Rebuilt] = []
    subscriptions: list[Rebuilt] = []


async def check(
    settings: PostgresSettings, limit: int | None, on_progress: Callable[[int, int], None]
) -> RebuildReport:
    """Compare all, or the first ``limit`` of each kind by id. ``on_progress(checked, total)`` follows each batch."""
    report = RebuildReport()
    kinds: tuple[tuple[Replayed[Any], list[Rebuilt]], ...] = (
        (REPLAYED_PAYMENTS, report.payments),
        (REPLAYED_SUBSCRIPTIONS, report.subscriptions),
    )
    async with connected(settings) as engine:
        async with engine.connect() as connection:
            counts = [await count_stored(connection, what) for what, _ in kinds]
        total = sum(counts if limit is None else (min(limit, count) for count in counts))
        for what, listed in kinds:
            async for batch in check_stored(engine, what, limit=limit):
                for id, found in batch:
                    if found is None:
                        report.other_rules += 1
                        continue
                    report.checked += 1
                    report.different += bool(found)
                    if found and len(listed) < LISTED_MAX:
                        listed.append(Rebuilt(id, [_masked(difference) for difference in found]))
                on_progress(report.checked + report.other_rules, total)
    return report


def _masked(difference: Difference) -> Difference:
    """Masks by value and by field: the last name of a path like ``order.contact.email`` says what the value is."""
    hidden = redact({difference.field: ""})[difference.field] == MASK
    stored, rebuilt = (MASK if hidden else redact(side) for side in (difference.stored, difference.rebuilt))
    return Difference(difference.field, stored, rebuilt)
