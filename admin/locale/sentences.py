"""Every sentence that pages show: what babel finds in the templates and the code of the panel, and what other layers say."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, get_args

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir, extract_from_file

from admin.problems import Problem
from admin.retelling import plain_words
from analytics import chart, words
from analytics.report import read_reports
from backoffice.clearing.report.heads import HEADS
from backoffice.clearing.runs import DayState
from billing.access.roles import Role
from billing.clearing.discrepancies import Kind as DiscrepancyKind
from billing.clearing.discrepancies import Resolution, Severity
from billing.clearing.discrepancies import State as DiscrepancyState
from billing.clearing.stuck import RULES
from billing.messages.catalogue import TOPIC_MESSAGES
from billing.messages.subscription_commands import ProviderState, When
from billing.messages.topics import INBOX, SUBSCRIPTIONS
from billing.reasons import Kind as ReasonKind
from billing.reasons import Reason
from billing.sentence import has_words
from billing.subscriptions.agenda import What
from billing.subscriptions.run_rate import Movement
from billing.subscriptions.vocabulary import AttemptState, Decline, NoticeName, Purpose, Status, Trigger
from billing.vocabulary import (
    Action,
    CaptureMode,
    LearntBy,
    OperationStatus,
    OperationType,
    Outcome,
    PaymentStatus,
    Tax,
)
from ingest_api.problems import REFUSALS
from ingest_api.problems import Problem as RequestProblem
from monitoring.books import Books
from monitoring.measures import SHOWN
from monitoring.view import blocks
from monitoring.watch import TABLE
from providers.statements import LineKind
from runtime.clock import utc_now
from storage.journal import story
from storage.staff.trail import Kind as TrailKind

ADMIN: Final = Path(__file__).parents[1]
#: Code of other layers whose sentences have templates.
OTHERS: Final = (
    ("billing/trace.py", "python"), ("storage/journal/story.py", "python"), ("backoffice/clearing/report/build.py", "python"),
    ("backoffice/clearing/report/model.py", "python"), ("backoffice/clearing/report/sections.py", "python"),
    ("backoffice/clearing/report/day.html", "jinja2"),
)  # fmt: skip
KEYWORDS: Final = {
    "_": None,
    "Sentence": None,
    "say": None,
    "gettext": None,
    "N_": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
}
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
    "clearing day", "accounting date", "api key", "api client", "provider", "form", "route", "staff", "session",
    "transition", "refusal", "attempt", "access", "create payment",
    "ms", "Why", "Type", "Order", "Movement", "Payout",
)  # fmt: skip

#: Texts in the results of reports that are no codes of other layers.
_VALUES: Final = (
    "customer present", "saved method", "whole", "in part", "released", "still held",
    "1 created", "2 authorized", "3 captured", "4 not refunded", "opening", "closing",
)  # fmt: skip
#: Texts in the cells of a day's report.
_CELLS: Final = ("not run", "cleared", "held before", "held after", "fees of lines", "yes")
#: Codes that pages write as words.
_CODES: Final = (
    Action, CaptureMode, OperationStatus, OperationType, Outcome, PaymentStatus, Reason, ReasonKind,
    AttemptState, DayState, Decline, DiscrepancyKind, DiscrepancyState, LearntBy, LineKind, Movement, ProviderState, Resolution, Purpose, Status, Trigger, When, [what.name for what in What],
    [message.TYPE.removesuffix(".v1") for topic in (INBOX, SUBSCRIPTIONS) for message in TOPIC_MESSAGES[topic]],
    Tax, story.SHOWN, story.TIMES,
)  # fmt: skip


def catalogue() -> Catalog:
    """All of them, with the places where they are said."""
    found = Catalog(project="billing", charset="utf-8", fuzzy=False)
    for path, _, message, _, context in extract_from_dir(
        str(ADMIN), method_map=METHODS, options_map=OPTIONS, keywords=KEYWORDS
    ):
        found.add(message, locations=[(f"admin/{path}", 0)], context=context)
    for path, method in OTHERS:
        for _, message, _, _ in extract_from_file(method, ADMIN.parent / path, keywords=KEYWORDS):
            if isinstance(message, str) and has_words(message):
                found.add(message, locations=[(path, 0)])
    for message in _of_other_layers():
        found.add(message)
    return found


def _of_other_layers() -> Iterator[str]:
    yield from _WORDS
    yield from (reason.meaning for reason in Reason)
    yield from (f"{kind.replace('_', ' ').capitalize()}" for kind in DiscrepancyKind)
    for names in (Role, TrailKind, Severity, LearntBy, LineKind, get_args(NoticeName)):
        yield from (str(name).replace("_", " ") for name in names)
    for codes in _CODES:
        yield from map(plain_words, codes)
    problems = [problem for problem in Problem if problem not in _OF_PROGRAMS]
    for problem in (*problems, RequestProblem.INVALID_REQUEST, RequestProblem.IDEMPOTENCY_KEY_REUSED):
        yield from (problem.title, problem.resolution)
    yield from (problem.resolution for problem in REFUSALS.values())
    yield from _of_reports()
    yield from _of_clearing()
    yield from _of_the_monitor()


def _of_reports() -> Iterator[str]:
    for report in read_reports().values():
        yield from (words.name(report.name), report.question)
        yield from map(words.title, report.columns)
        for parameter in report.parameters:
            yield from (parameter.name.replace("_", " "), parameter.meaning)
        yield from report.meanings.values()
    yield from _VALUES
    yield from (chart.NET, chart.NO_ROWS, chart.NUMBER, chart.FIRST)


def _of_clearing() -> Iterator[str]:
    for head in HEADS:
        yield from (head.title, head.hint, head.none, *(column.name for column in head.columns))
    yield from _CELLS
    for rule in RULES:
        yield from (plain_words(rule.name), rule.asked_by)


def _of_the_monitor() -> Iterator[str]:
    nothing = Books(
        at=utc_now(), unfinished=[], unknown=[], overdue=[], lags=[], unpublished={}, partitions=None, parked=[],
        letters_open=None, imbalance={}, switches={}, breakers=[], differences=[], approvals=[], jobs=[], processes=[],
    )  # fmt: skip
    for watched in SHOWN:
        yield from (watched.title, watched.dashboard.capitalize())
    for watched in TABLE:
        if watched.alerts:
            yield from (watched.title, *(alert.notice for alert in watched.alerts))
    for block in blocks(nothing):
        yield from (block.title, block.empty, *(column.head for column in block.columns))
