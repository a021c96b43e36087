"""Bulk jobs and their rows in the words of the panel. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from admin.language import N_, gettext
from admin.payments.refusals import as_sentence, with_money
from admin.payments.sentences import State as Look
from admin.retelling import retold
from billing.reasons import Reason
from storage.approvals import Approval
from storage.bulk.jobs import Job, State
from storage.bulk.rows import DEAD_LETTER, Row, RowState, Tally

ROW_STATES: Final[Mapping[RowState, Look]] = {
    RowState.UNCHECKED: Look(N_("not checked yet"), "plain"),
    RowState.WAITING: Look(N_("to be refunded"), "plain"),
    RowState.SENT: Look(N_("under way"), "warn"),
    RowState.DONE: Look(N_("refunded"), "good"),
    RowState.FAILED: Look(N_("failed"), "bad"),
    RowState.REFUSED: Look(N_("refused"), "bad"),
}
_STATES: Final = {
    State.CHECKING: Look(N_("dry run"), "warn"),
    State.RUNNING: Look(N_("running"), "warn"),
    State.PAUSED: Look(N_("paused"), "warn"),
    State.STOPPED: Look(N_("stopped"), "plain"),
    State.FINISHED: Look(N_("finished"), "good"),
}
_NOT_STARTED: Final = {
    "waiting": Look(N_("waits for approval"), "warn"),
    "approved": Look(N_("approved, not started"), "good"),
    "refused": Look(N_("approval refused"), "bad"),
    "expired": Look(N_("approval expired"), "bad"),
}
_CHECKED: Final = Look(N_("checked, approval not asked for"), "warn")

#: Code of a refusal → what these rows have in common.
_CAUSES: Final = {
    "invalid_line": N_("the line cannot be read"),
    "invalid_payment_id": N_("no id of a payment"),
    "invalid_text": N_("not UTF-8"),
    "invalid_reason": N_("the reason cannot be used"),
    "card_number": N_("a card number"),
    "invalid_amount": N_("the amount cannot be used"),
    "named_twice": N_("the payment is named on a line above"),
    "in_another_job": N_("another bulk job has the payment"),
    "payment_not_found": N_("no such payment"),
    "amount_exceeds_refundable": N_("more than is left"),
    "not_captured": N_("nothing was captured"),
    "refunds_blocked": N_("refunds are blocked"),
    "version_changed": N_("the payment changed after the dry run"),
    DEAD_LETTER: N_("the command is a dead letter"),
}


class Sum(NamedTuple):
    """Rows and their amounts, minor units by currency."""

    rows: int
    amounts: Mapping[str, int]


class Cause(NamedTuple):
    """Rows that were not refunded for one cause. ``words``: in the reader's language."""

    code: str
    words: str
    rows: int


class Progress(NamedTuple):
    """How far a job is. ``all``: rows that the dry run accepted; ``ended``: of them; ``minutes``: until the last one is sent,
    at the rate of the last minute; ``None`` where none was sent in it."""

    all: int
    sent: int
    ended: int
    minutes: int | None


def state_of(job: Job, approval: Approval | None, now: datetime) -> Look:
    """The state of a job with that of its approval."""
    if job.state is not State.READY:
        return _STATES[job.state]
    return _NOT_STARTED.get(approval_state(approval, now) or "", _CHECKED)


def approval_state(approval: Approval | None, now: datetime) -> str | None:
    """In one word; ``None`` where none was asked for. A bulk job has no way to Kafka to wait for."""
    return None if approval is None else approval.state(now).replace("not sent", "approved")


def sums(tallies: Iterable[Tally]) -> dict[RowState, Sum]:
    """The rows by state."""
    rows: dict[RowState, int] = defaultdict(int)
    amounts: dict[RowState, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for tally in tallies:
        rows[tally.state] += tally.rows
        if tally.currency is not None and tally.amount:
            amounts[tally.state][tally.currency] += tally.amount
    return {state: Sum(rows[state], dict(sorted(amounts[state].items()))) for state in RowState if rows[state]}


def causes(tallies: Iterable[Tally]) -> list[Cause]:
    """Why rows are refused or declined, the most frequent first."""
    rows: dict[tuple[RowState, str], int] = defaultdict(int)
    for tally in tallies:
        if tally.state in (RowState.REFUSED, RowState.FAILED):
            rows[tally.state, tally.code or "?"] += tally.rows
    found = [Cause(code, cause(state, code), number) for (state, code), number in rows.items()]
    return sorted(found, key=lambda one: (-one.rows, one.code))


def cause(state: RowState, code: str) -> str:
    """What rows of one state and code have in common."""
    if state is RowState.FAILED and code != DEAD_LETTER:
        return gettext(Reason.of(code).meaning).removesuffix(".")
    return gettext(_CAUSES[code]) if code in _CAUSES else code.replace("_", " ")


def progress(tallies: Iterable[Tally], lately: int) -> Progress:
    """How far a job is. ``lately``: rows that were sent within the last minute."""
    counted = list(tallies)
    waiting = sum(tally.rows for tally in counted if tally.state is RowState.WAITING)
    sent = sum(tally.rows for tally in counted if tally.was_sent or tally.state is RowState.SENT)
    ended = sum(tally.rows for tally in counted if tally.was_sent and tally.state is not RowState.SENT)
    return Progress(waiting + sent, sent, ended, -(-waiting // lately) if lately else None)


def why(row: Row) -> str:
    """Why a row is as it is, as a sentence; empty where there is nothing to say."""
    if row.state is RowState.SENT:
        match row.code:
            case None:
                return gettext("The payment has not decided yet.")
            case "UNKNOWN":
                return gettext("The provider's answer is not known yet.")
        return gettext("The provider has not finished it.")
    if row.code == DEAD_LETTER:
        return gettext("Nothing was refunded: the payment could not process the command (%(cause)s).", cause=row.detail)
    if row.state is RowState.FAILED:
        return as_sentence(gettext(Reason.of(row.code or "").meaning))
    if row.detail is None:
        return ""
    if row.code == "version_changed":
        return gettext("The payment changed after the dry run: what was approved would not happen any more.")
    detail = with_money(row.code or "", row.detail, row.currency) if row.currency else row.detail
    return as_sentence(retold(detail))
