"""The findings of an audit.

The kinds of violation, by service (docs/operations.md lists what to do):

Postgres
    ``posting_unbalanced``   entries of a posting do not add up to zero, or mix currencies
    ``ledger_mismatch``      a payment's clearing balance is not captured minus refunded minus charged back
    ``amounts_mismatch``     a payment's amounts are not the sums of its operations, or break their limits
    ``operation_unposted``   money moved in an operation, but not in the ledger
    ``posting_unfounded``    money moved in the ledger, but not in the operation
    ``chain_broken``         a closed day, its hash or the first open day was changed
    ``closed_day_changed``   the entries of a closed day are not those that it was closed with
    ``trial_balance_nonzero`` a day's accounts do not add up to zero
    ``entry_undated``        an entry has no accounting date
    ``line_nowhere``         a line of a cleared day is of no operation and in no discrepancy
    ``settled_unequal``      books and statements of cleared days differ about an operation, without a discrepancy
    ``claim_overdue``        a decision that no statement has confirmed in time
    ``suspense_unbound``     suspense is not what is open of the discrepancy that it is bound to
    ``settlement_unposted``  fees, payouts, reserves and adjustments of a cleared day's lines are not those that are booked
    ``discrepancy_history_gap`` a discrepancy's events are not its versions
    ``trail_broken``         an entry of the staff's trail was changed, taken away, or never written
    ``untrailed_operation``  a command of a person is in the journal, and not on the staff's trail
    ``untrailed_note``       a note about a customer differs from what the staff's trail says, or one of them is missing
    ``unapproved_operation`` a person's command needed a second person, and no approval of exactly it is on record
    ``operation_not_chased`` an open operation without a time for its next status inquiry
    ``contradicted``         the provider, asked, contradicts the books of a payment: a person has to settle it
    ``version_disorder``     versions in a payment's journal do not ascend
    ``version_unjournalled`` the journal does not end with the payment's version
Kafka
    ``topic_unfit``          min.insync.replicas or the replicas of a topic do not fit: a confirmed message may be lost
    ``offset_unaccounted``   a skipped message: neither journalled nor dead-lettered
    ``offset_doubled``       a message applied twice
    ``position_beyond_log``  a position past the end of the topic
    ``payment_missing``      an accepted request without a payment and without a refusal
    ``event_missing``        a version of a payment was never published
    ``event_unreadable``     a message in ``billing.events`` that is not an event
    ``behind``               messages not yet processed (only with ``settled``)
Provider
    ``charge_unknown``       the provider captured money without a payment of ours
    ``charge_missing``       Postgres has a capture, the provider has no such order
    ``charge_mismatch``      captured or refunded differ
    ``charge_excessive``     the provider captured more than the payment's amount
    ``charge_doubled``       the provider captured one order more than once
    ``clearing_blind``       the sandbox' statement of a cleared day has a fault without a discrepancy
    ``clearing_invented``    a discrepancy for which the sandbox gave no reason
    ``charge_unsettled``     they differ while an operation is open or a question is due (only with ``settled``)
ClickHouse
    ``analytics_missing``, ``analytics_mismatch``, ``analytics_extra``, ``analytics_behind``
RabbitMQ
    ``signal_dead``          signals that their consumer rejected for good
    ``signals_behind``       events whose signals are not sent yet (only with ``settled``)
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Violation(NamedTuple):
    """A broken invariant. ``id``: of the payment, operation, posting, order, queue or offset."""

    kind: str
    id: str
    detail: str


@dataclass
class Findings:
    """``checked``: how many of each were checked; its ``in_flight`` counts differences explained by open work."""

    checked: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)

    def found(self, kind: str, id: object, detail: str) -> None:
        """Add a violation."""
        self.violations.append(Violation(kind, str(id), detail))

    def under_way(self, kind: str, id: object, detail: str, *, settled: bool) -> None:
        """Add a violation if everything should be ``settled``; otherwise count a difference in flight."""
        if settled:
            self.found(kind, id, detail)
        else:
            self.checked["in_flight"] += 1

    def as_json(self) -> dict[str, Any]:
        """The report, as ``billing verify --json`` prints it."""
        return {"checked": dict(self.checked), "violations": [v._asdict() for v in self.violations]}
