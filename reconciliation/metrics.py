"""Every metric of the scheduler, declared and explained. Labels are names from the code, never an id."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from prometheus_client import Counter, Gauge

from billing.clearing.discrepancies import Severity
from billing.ledger.tie_out import TieOut
from runtime.metrics import new_registry
from runtime.series import Series
from storage.clearing.days import NOT_TOLD
from storage.clearing.standing import Open
from storage.subscriptions.due import Backlog

#: Providers, currencies, and kinds of discrepancies with series of their own; the rest share one.
_PROVIDERS: Final = 12
_CURRENCIES: Final = 6
_KINDS: Final = 40
#: What the scheduler does, as ``task``.
TASKS: Final = ("renew", "clear", "record", "publish_events", "refund_in_bulk")


class Metrics:
    """One registry per process."""

    def __init__(self) -> None:
        self.registry = registry = new_registry()
        self._due = Series(
            Gauge("renewals_due", "Subscriptions that are due now.", ("provider",), registry=registry),
            _PROVIDERS,
        )
        self._oldest = Gauge(
            "renewals_oldest_due_seconds",
            "Since when the subscription that is due longest is due; 0 without one.",
            registry=registry,
        )
        self._woken = Series(
            Counter("renewals_woken", "Wake-ups sent, by provider and kind.", ("provider", "kind"), registry=registry),
            _PROVIDERS,
            10,
        )
        self._braked = Gauge(
            "renewals_braked",
            "1 while the renewals are stopped and wait for somebody to release them.",
            registry=registry,
        )
        self._ended = Series(
            Gauge(
                "renewal_attempts_recent",
                "The last 200 renewals of a provider by how they ended: the class of the decline, else the state.",
                ("provider", "how"),
                registry=registry,
            ),
            _PROVIDERS,
            40,
        )
        self._clocks = Gauge(
            "test_clocks_advancing", "Test clocks that have not reached their target.", registry=registry
        )

        self._ran = Series(
            Gauge(
                "scheduler_last_run_timestamp_seconds",
                "When a task of the scheduler ended without an error last (Unix time); of a spare too.",
                ("task",),
                registry=registry,
            ),
            TASKS,
        )

        self._clearing_overdue = Series(
            Gauge(
                "clearing_days_overdue",
                "Business days that are over and not cleared.",
                ("provider",),
                registry=registry,
            ),
            _PROVIDERS,
        )
        self._clearing_suspect = Series(
            Gauge(
                "clearing_suspect",
                "1 while a statement is doubted as a whole and waits for a person.",
                ("provider",),
                registry=registry,
            ),
            _PROVIDERS,
        )
        self._clearing_failures = Series(
            Counter(
                "clearing_failures",
                "Runs of clearing that a fault in our code ended.",
                ("provider",),
                registry=registry,
            ),
            _PROVIDERS,
        )
        self._unexplained = Series(
            Gauge(
                "clearing_unexplained_minor",
                "What no list explains of the difference between our clearing account and the provider's statements, at the"
                " end of the first open day of the books, minor units.",
                ("provider", "currency"),
                registry=registry,
            ),
            _PROVIDERS,
            _CURRENCIES,
        )
        self._found = Series(
            Counter(
                "clearing_discrepancies_found",
                "Discrepancies that runs of clearing opened or moved, by provider and kind.",
                ("provider", "kind"),
                registry=registry,
            ),
            _PROVIDERS,
            _KINDS,
        )
        self._open = Series(
            Gauge(
                "clearing_discrepancies_open",
                "Discrepancies that a payment asks about or that wait for a person.",
                ("severity",),
                registry=registry,
            ),
            Severity,
        )
        self._oldest_open = Series(
            Gauge(
                "clearing_oldest_open_seconds",
                "Since when the oldest of them is open; 0 without one.",
                ("severity",),
                registry=registry,
            ),
            Severity,
        )
        self._movements = Series(
            Gauge(
                "clearing_movements",
                "Operations that moved money on the last business day that was cleared.",
                ("provider",),
                registry=registry,
            ),
            _PROVIDERS,
        )
        self._lost_callbacks = Series(
            Gauge(
                "clearing_lost_callbacks",
                "Operations of the last business day that was cleared whose end no callback and no answer told us of.",
                ("provider", "learnt_by"),
                registry=registry,
            ),
            _PROVIDERS,
            NOT_TOLD,
        )
        self._events_late = Gauge(
            "clearing_events_late_seconds",
            "Since when the oldest event of clearing waits to be published; 0 without one.",
            registry=registry,
        )
        self._last_close = Gauge(
            "books_last_close_timestamp_seconds",
            "When a day of the books was closed last (Unix time); 0: never.",
            registry=registry,
        )

    def ran(self, task: str, now: datetime) -> None:
        """A task ended at ``now`` (UTC)."""
        self._ran(task).set(now.timestamp())

    def due(self, backlog: Sequence[Backlog], now: datetime) -> None:
        """What is due at ``now`` (UTC)."""
        self._due.clear()
        for due in backlog:
            self._due(due.provider).set(due.number)
        oldest = min((due.oldest for due in backlog), default=now)
        self._oldest.set((now - oldest).total_seconds())

    def woken(self, provider: str, kind: str, number: int) -> None:
        """Wake-ups are in Kafka."""
        self._woken(provider, kind).inc(number)

    def braked(self, braked: bool) -> None:
        """Whether the renewals are stopped."""
        self._braked.set(braked)

    def ended(self, provider: str, how: Mapping[str, int]) -> None:
        """How the last renewals of a provider ended."""
        for name, number in how.items():
            self._ended(provider, name).set(number)

    def clocks(self, advancing: int) -> None:
        """Test clocks on their way."""
        self._clocks.set(advancing)

    def clearing(self, provider: str, overdue: int, *, suspect: bool) -> None:
        """How a provider's clearing stands."""
        self._clearing_overdue(provider).set(overdue)
        self._clearing_suspect(provider).set(suspect)

    def clearing_failed(self, provider: str) -> None:
        """A run ended by a fault of ours."""
        self._clearing_failures(provider).inc()

    def tied_out(self, tie_outs: Iterable[TieOut]) -> None:
        """How the first open day of the books ties out."""
        for one in tie_outs:
            self._unexplained(one.provider, one.currency).set(one.unexplained)

    def found(self, provider: str, by_kind: Mapping[str, int]) -> None:
        """What a run of clearing found."""
        for kind, number in by_kind.items():
            self._found(provider, kind).inc(number)

    def clearing_stands(
        self,
        open_by_severity: Mapping[Severity, Open],
        oldest_unpublished: datetime | None,
        last_close: datetime | None,
        now: datetime,
    ) -> None:
        """How clearing stands at ``now``. Times in UTC."""
        for severity in Severity:
            found = open_by_severity.get(severity)
            self._open(severity).set(0 if found is None else found.number)
            self._oldest_open(severity).set(0 if found is None else (now - found.oldest).total_seconds())
        late = 0.0 if oldest_unpublished is None else (now - oldest_unpublished).total_seconds()
        self._events_late.set(max(0.0, late))
        self._last_close.set(0 if last_close is None else last_close.timestamp())

    def lost_callbacks(self, provider: str, learnt_by: Mapping[str, int], movements: int) -> None:
        """Of the last business day that was cleared."""
        for how in NOT_TOLD:
            self._lost_callbacks(provider, how).set(learnt_by.get(how, 0))
        self._movements(provider).set(movements)
