"""The books as a person looks at them: blocks of rows, each with its level by the thresholds of the watch table.

The terminal and the page show the same blocks.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum, StrEnum
from typing import Final

import msgspec

from billing.vocabulary import PaymentStatus
from monitoring.books import Books, ConsumerLag, age_s
from monitoring.watch import TABLE, Severity

Value = str | int | float | None


class Level(IntEnum):
    """How bad a row is: by itself, not for how long it has been so."""

    FINE = 0
    TICKET = 1
    PAGE = 2


class Form(StrEnum):
    """How a column is read."""

    TEXT = "text"
    PAYMENT = "payment"
    """The id of a payment, which a page links to."""
    NUMBER = "number"
    SECONDS = "seconds"
    PER_S = "per_s"
    MINOR = "minor"


class Column(msgspec.Struct, frozen=True):
    """The head of a column, and what its values are."""

    head: str
    form: Form = Form.TEXT


class Row(msgspec.Struct, frozen=True):
    """One row. ``None`` stands for what is not known, ``""`` for what there is not."""

    values: tuple[Value, ...]
    level: Level = Level.FINE


class Block(msgspec.Struct, frozen=True):
    """One block. ``rows``: the worst first, where one can be worse; ``empty``: what it means that there is none."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: list[Row]
    empty: str = "none"


def blocks(books: Books) -> list[Block]:
    """Everything, the oldest unfinished payments first."""
    return [
        _unfinished(books),
        _unknown(books),
        _streams(books),
        _partitions(books),
        _waiting(books),
        _providers(books),
        _money(books),
        _jobs(books),
        _processes(books),
    ]


def worst(shown: Iterable[Block]) -> Level:
    """The level of the worst row."""
    return max((row.level for block in shown for row in block.rows), default=Level.FINE)


def duration(seconds: float) -> str:
    """Two units at most: 3 d 4 h, 5 min 20 s."""
    return " ".join(f"{number} {unit}" for number, unit in units_of(seconds))


def units_of(seconds: float) -> list[tuple[int, str]]:
    """A time in its two largest units of d, h, min and s; below a minute in s alone."""
    whole = int(seconds)
    for unit, size, below, part in (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            return [(whole // size, unit), (whole % size // part, below)]
    return [(whole, "s")]


#: Alert → its threshold and severity, of those that compare a query with a number.
_LIMITS: Final = {
    alert.name: (float(alert.when.split()[1]), alert.severity)
    for watched in TABLE
    for alert in watched.alerts
    if alert.when.startswith("> ")
}
_LEVELS: Final = {Severity.PAGE: Level.PAGE, Severity.TICKET: Level.TICKET}


def _level(number: float | None, *alerts: str) -> Level:
    """The level of a number by the thresholds of these alerts."""
    over = [_LEVELS[_LIMITS[name][1]] for name in alerts if number is not None and number > _LIMITS[name][0]]
    return max(over, default=Level.FINE)


def _sorted(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: -row.level)


def _unfinished(books: Books) -> Block:
    def row_level(state: str, age: float) -> Level:
        return _level(age, "OldestUnfinished" if state == PaymentStatus.PENDING else "HoldRunsOut")

    rows = []
    for one in books.unfinished:
        age = age_s(one.oldest, books.at)
        rows.append(Row((one.provider, one.state, age, one.number, str(one.payment)), row_level(one.state, age)))
    heads = (
        Column("provider"),
        Column("state"),
        Column("oldest", Form.SECONDS),
        Column("payments", Form.NUMBER),
        Column("oldest payment", Form.PAYMENT),
    )
    return Block("unfinished", "Oldest unfinished payments", heads, _sorted(rows), "every payment is final")


def _unknown(books: Books) -> Block:
    rows = []
    for one in books.unknown:
        age = age_s(one.oldest, books.at)
        level = _level(age, "OutcomeUnknown", "OutcomeUnknownForHours")
        rows.append(Row((one.provider, one.kind, age, one.number), level))
    heads = (Column("provider"), Column("operation"), Column("oldest", Form.SECONDS), Column("number", Form.NUMBER))
    return Block("unknown", "Outcomes that are not known", heads, _sorted(rows), "every outcome is known")


def _streams(books: Books) -> Block:
    by_consumer: dict[str, list[ConsumerLag]] = {}
    for one in books.lags:
        by_consumer.setdefault(one.consumer, []).append(one)
    rows = [_consumer(name, found) for name, found in by_consumer.items()]
    heads = (
        Column("consumer"),
        Column("state"),
        Column("messages/s", Form.PER_S),
        Column("behind", Form.NUMBER),
        Column("oldest", Form.SECONDS),
        Column("still", Form.SECONDS),
    )
    return Block("streams", "Consumers", heads, rows, "no consumer has ever run")


def _consumer(name: str, found: Sequence[ConsumerLag]) -> Row:
    rates = [one.per_s for one in found if one.per_s is not None]
    rate = sum(rates) if rates else None
    lags = [one.lag for one in found if one.lag is not None]
    if len(lags) < len(found):
        return Row((name, "not known", rate, None, None, None), Level.TICKET)
    messages, oldest, still = (max(values) for values in zip(*lags, strict=True))
    messages = sum(lag.messages for lag in lags)
    is_sink = name.startswith("sink.")
    if (level := _level(still, "SinkStill" if is_sink else "StreamStill")) is not Level.FINE:
        return Row((name, "still", rate, messages, oldest, still), level)
    level = Level.FINE if is_sink else _level(oldest, "StreamBehind")
    state = "behind" if level is not Level.FINE else "moves" if messages else "up to date"
    return Row((name, state, rate, messages, oldest, still), level)


def _partitions(books: Books) -> Block:
    """Only those with a lag: the others are where they should be."""
    rows = [
        Row(
            (one.consumer, one.topic, one.partition, one.lag.messages, one.lag.seconds, one.lag.still_s),
            _level(one.lag.still_s, "StreamStill"),
        )
        for one in books.lags
        if one.lag is not None and one.lag.messages
    ]
    heads = (
        Column("consumer"),
        Column("topic"),
        Column("partition", Form.NUMBER),
        Column("behind", Form.NUMBER),
        Column("oldest", Form.SECONDS),
        Column("still", Form.SECONDS),
    )
    return Block("partitions", "Partitions with a lag", heads, _sorted(rows), "every message is processed")


def _waiting(books: Books) -> Block:
    rows = [Row(("dead letters", "", books.letters_open, ""), _level(books.letters_open, "LettersOpen"))]
    unpublished = sum(books.unpublished.values())
    rows.append(Row(("unpublished outputs", "", unpublished, ""), _level(unpublished, "OutboxWaits")))
    for one in books.parked:
        age = age_s(one.oldest, books.at)
        rows.append(Row(("parked callbacks", one.provider, one.number, age), _level(age, "CallbacksParked")))
    for asked in books.approvals:
        age = age_s(asked.oldest, books.at)
        level = _level(age, "ApprovalWaits" if asked.state == "waiting" else "ApprovalNotSent")
        rows.append(Row((f"approvals: {asked.state}", "", asked.number, age), level))
    for one in books.overdue:
        age = age_s(one.oldest, books.at)
        switch = books.switches.get(one.provider)
        off = switch is not None and not switch.enabled
        level = Level.FINE if off else _level(one.number, "FollowUpsOverdue")
        rows.append(Row(("overdue questions", one.provider, one.number, age), level))
    heads = (Column("what"), Column("provider"), Column("number", Form.NUMBER), Column("oldest", Form.SECONDS))
    return Block("waiting", "What waits", heads, _sorted(rows))


def _providers(books: Books) -> Block:
    held: dict[str, list[str]] = {}
    for one in books.breakers:
        held.setdefault(one.provider, []).append(one.reason)
    rows = []
    for name in sorted({*books.switches, *held, *(one.provider for one in books.unfinished)}):
        switch = books.switches.get(name)
        enabled = switch is None or switch.enabled
        reason = "" if switch is None or enabled else f"{switch.reason} ({switch.actor})"
        reason = ", ".join(filter(None, (reason, *sorted(set(held.get(name, ()))))))
        level = Level.PAGE if held.get(name) else Level.FINE if enabled else Level.TICKET
        rows.append(Row((name, "on" if enabled else "off", len(held.get(name, ())), reason), level))
    heads = (Column("provider"), Column("switch"), Column("workers that hold it back", Form.NUMBER), Column("reason"))
    return Block("providers", "Providers", heads, _sorted(rows), "no provider was ever used")


def _money(books: Books) -> Block:
    rows = [
        Row(("ledger: sum of the last entries", "", currency, amount, ""), Level.PAGE if amount else Level.FINE)
        for currency, amount in sorted(books.imbalance.items())
    ]
    rows += [
        Row((f"discrepancies: {one.kind}", one.provider, one.currency or "", one.amount, one.number), Level.TICKET)
        for one in books.differences
    ]
    heads = (
        Column("what"),
        Column("provider"),
        Column("currency"),
        Column("minor units", Form.MINOR),
        Column("number", Form.NUMBER),
    )
    return Block("money", "Money", heads, _sorted(rows), "the books balance, and no discrepancy is open")


def _jobs(books: Books) -> Block:
    rows = [
        Row(
            (
                one.name,
                None if one.finished_at is None else age_s(one.finished_at, books.at),
                "waits for a person" if one.braked else "",
            ),
            Level.PAGE if one.braked else Level.FINE,
        )
        for one in sorted(books.jobs)
    ]
    heads = (Column("job"), Column("since a date was finished", Form.SECONDS), Column("state"))
    return Block("jobs", "Jobs", heads, _sorted(rows), "no job has run")


def _processes(books: Books) -> Block:
    versions: dict[str, set[str]] = {}
    for one in books.processes:
        versions.setdefault(one.kind, set()).add(one.version)
    rows = [
        Row((one.kind, one.version, one.number), Level.TICKET if len(versions[one.kind]) > 1 else Level.FINE)
        for one in books.processes
    ]
    heads = (Column("process"), Column("version"), Column("running", Form.NUMBER))
    return Block("processes", "Processes that hold a lease", heads, rows, "no worker and no ingest runs")
