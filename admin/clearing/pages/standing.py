"""How a provider's business day stands, in a word. Pure."""

from datetime import date
from typing import NamedTuple

from admin.formatting import grouped
from admin.language import N_, gettext
from backoffice.clearing.runs import DayState, DayStatus
from billing.clearing.discrepancies import State


class Counts(NamedTuple):
    """Discrepancies of a day: not settled, decided and not confirmed, only late, closed."""

    open: int = 0
    decided: int = 0
    late: int = 0
    closed: int = 0


class Standing(NamedTuple):
    """A day in a word. ``look``: ``good``, ``warn``, ``bad`` or ``plain``; ``hints``: what there is to add, in the reader's language."""

    words: str
    look: str
    hints: tuple[str, ...] = ()


def counts_of(status: DayStatus | None) -> Counts:
    """The discrepancies of a day by what they wait for."""
    by_state = dict.fromkeys(State, 0)
    for states in ({} if status is None else status.discrepancies).values():
        for state, number in states.items():
            by_state[State(state)] += number
    return Counts(
        by_state[State.OPEN] + by_state[State.PERSON],
        by_state[State.RESOLVED],
        by_state[State.EXPECTED],
        by_state[State.CLOSED],
    )


def standing(status: DayStatus | None, day: date, first_open: date, *, is_over: bool = True) -> Standing:
    """``status``: ``None`` where the day has no run; ``first_open``: the first day of the books that is not closed."""
    if status is None:
        return Standing(N_("not cleared"), "warn") if is_over else Standing(N_("not over"), "plain")
    found = counts_of(status)
    if status.state is DayState.SUSPECT:
        return Standing(N_("doubted"), "bad", (gettext("look at the statement"),))
    if status.state is DayState.OPEN:
        return (
            Standing(N_("under way"), "warn")
            if status.reason is None
            else Standing(N_("not cleared"), "warn", (gettext("waits"),))
        )
    late = (gettext("%(count)s late", count=grouped(found.late)),) if found.late else ()
    closed = day < first_open
    if found.open or found.decided:
        hints = [gettext("%(count)s open", count=grouped(found.open))] if found.open else []
        hints += [gettext("%(count)s decided", count=grouped(found.decided))] if found.decided else []
        hints += [gettext("books closed")] if closed else []
        return Standing(N_("disagrees"), "bad" if found.open else "warn", (*hints, *late))
    return Standing(N_("closed"), "plain", late) if closed else Standing(N_("agrees"), "good", late)
