"""Every sentence that pages show: what babel finds in the templates and the code of the panel, and what other layers say."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, get_args

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir

from admin.problems import Problem
from analytics import chart, words
from analytics.report import read_reports
from billing.access.roles import Role
from billing.clearing.discrepancies import Kind as DiscrepancyKind
from billing.clearing.discrepancies import Severity
from billing.reasons import Reason
from billing.subscriptions.vocabulary import NoticeName, Purpose, Trigger
from billing.vocabulary import Action, LearntBy, OperationType
from ingest_api.problems import REFUSALS
from ingest_api.problems import Problem as RequestProblem
from monitoring.books import Books
from monitoring.measures import SHOWN
from monitoring.view import blocks
from providers.statements import LineKind
from runtime.clock import utc_now
from storage.staff.trail import Kind as TrailKind

ADMIN: Final = Path(__file__).parents[1]
KEYWORDS: Final = {"_": None, "gettext": None, "N_": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}
METHODS: Final = [("**.py", "python"), ("**.html", "jinja2")]
OPTIONS: Final = {"**.html": {"silent": "false", "extensions": "jinja2.ext.i18n"}}

#: Problems that programs alone meet.
_OF_PROGRAMS: Final = (
    Problem.UNAUTHORIZED, Problem.FORBIDDEN, Problem.TOO_MANY_ATTEMPTS, Problem.VERSION_REQUIRED,
    Problem.NOT_ACCEPTABLE, Problem.SLOW_REQUEST, Problem.TOO_MANY_CONNECTIONS, Problem.NO_TRIAL_BALANCE,
    Problem.DAY_NOT_CLOSED,
)  # fmt: skip
#: States, kinds and names that other layers have as texts of their own.
_WORDS: Final = (
    "waiting", "not sent", "approved", "refused", "expired",
    "replayed", "discarded",
    "command", "result", "callback", "outcome", "wake-up", "signal", "posting", "notice", "call", "event",
    "payment", "payments", "subscription", "customer", "discrepancy", "dead letter", "approval", "bulk job",
    "clearing day", "api key", "api client", "provider", "form", "route", "staff", "session",
    "transition", "refusal", "attempt", "access", "create payment",
    "ms", "Why", "Type", "Order", "Movement", "Payout",
)  # fmt: skip


def catalogue() -> Catalog:
    """All of them, with the places where they are said."""
    found = Catalog(project="billing", charset="utf-8", fuzzy=False)
    for path, _, message, _, context in extract_from_dir(
        str(ADMIN), method_map=METHODS, options_map=OPTIONS, keywords=KEYWORDS
    ):
        found.add(message, locations=[(f"admin/{path}", 0)], context=context)
    for message in _of_other_layers():
        found.add(message)
    return found


def _of_other_layers() -> Iterator[str]:
    yield from _WORDS
    yield from (reason.meaning for reason in Reason)
    yield from (f"{kind.replace('_', ' ').capitalize()}" for kind in DiscrepancyKind)
    for names in (Role, TrailKind, Severity, LearntBy, LineKind, get_args(NoticeName)):
        yield from (str(name).replace("_", " ") for name in names)
    for codes in (Action, OperationType, Purpose, Trigger):
        yield from (code.lower().replace("_", " ") for code in codes)
    problems = [problem for problem in Problem if problem not in _OF_PROGRAMS]
    for problem in (*problems, RequestProblem.INVALID_REQUEST, RequestProblem.IDEMPOTENCY_KEY_REUSED):
        yield from (problem.title, problem.resolution)
    yield from (problem.resolution for problem in REFUSALS.values())
    yield from _of_reports()
    yield from _of_the_monitor()


def _of_reports() -> Iterator[str]:
    for report in read_reports().values():
        yield from (words.name(report.name), report.question)
        yield from map(words.title, report.columns)
        for parameter in report.parameters:
            yield from (parameter.name.replace("_", " "), parameter.meaning)
        yield from report.meanings.values()
    yield from (chart.NET, chart.NO_ROWS, chart.NUMBER, chart.FIRST)


def _of_the_monitor() -> Iterator[str]:
    nothing = Books(
        at=utc_now(), unfinished=[], unknown=[], overdue=[], lags=[], unpublished={}, partitions=None, parked=[],
        letters_open=None, imbalance={}, switches={}, breakers=[], differences=[], approvals=[], jobs=[], processes=[],
    )  # fmt: skip
    for watched in SHOWN:
        yield from (watched.title, watched.dashboard.capitalize())
    for block in blocks(nothing):
        yield from (block.title, block.empty, *(column.head for column in block.columns))
