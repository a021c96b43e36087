"""What an audit finds.

The kinds of violation, by the part that shows them (docs/operations.md says what to do):

Postgres
    ``posting_unbalanced``   entries of a posting do not add up to zero, or mix currencies
    ``ledger_mismatch``      a payment's clearing balance is not what was captured less what was refunded
    ``amounts_mismatch``     a payment's amounts are not the sums of its operations, or break their limits
    ``operation_unposted``   money moved in an operation, not in the ledger
    ``posting_unfounded``    money moved in the ledger, not in the operation
    ``operation_not_chased`` an open operation without a time at which it is asked about
    ``version_disorder``     the journal of a payment goes back in versions
    ``version_unjournalled`` the journal does not end at the payment's version
Kafka
    ``offset_unaccounted``   a message passed over: neither journalled nor dead-lettered
    ``offset_doubled``       a message applied twice
    ``position_beyond_log``  a position past the end of the topic
    ``payment_missing``      an accepted request without a payment and without a refusal
    ``event_missing``        a version of a payment that was never published
    ``event_unreadable``     a message in ``billing.events`` that is no event
    ``behind``               messages not yet processed (only when everything should be settled)
Provider
    ``charge_unknown``       the provider took money for no payment of ours
    ``charge_missing``       our books say captured, the provider has no such order
    ``charge_mismatch``      captured or refunded differ
    ``charge_excessive``     the provider took more than the payment's amount
    ``charge_doubled``       the provider captured one order more than once
    ``charge_unsettled``     they differ, the operation is open (only when everything should be settled)
ClickHouse
    ``analytics_missing``, ``analytics_mismatch``, ``analytics_extra``, ``analytics_behind``
RabbitMQ
    ``signal_dead``          signals that their consumer gave back for good
    ``signals_behind``       events whose signals are not sent yet (only when everything should be settled)
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Violation(NamedTuple):
    """Something that must not be. ``id``: of the payment, operation, posting, order, queue or offset it is about."""

    kind: str
    id: str
    detail: str


@dataclass
class Findings:
    """``checked`` counts what was looked at; ``in_flight`` what differs because it is still under way."""

    checked: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)

    def found(self, kind: str, id: object, detail: str) -> None:
        """Note a violation."""
        self.violations.append(Violation(kind, str(id), detail))

    def under_way(self, kind: str, id: object, detail: str, *, settled: bool) -> None:
        """Note what is well while payments run and a violation when everything should be ``settled``."""
        if settled:
            self.found(kind, id, detail)
        else:
            self.checked["in_flight"] += 1

    def as_json(self) -> dict[str, Any]:
        """The report."""
        return {"checked": dict(self.checked), "violations": [v._asdict() for v in self.violations]}
