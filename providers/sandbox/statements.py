"""What a provider's statement shows: its movements, as wrong as the faults of statements make them, and the register (CSV)
that the consoles of providers without list calls give."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from aiohttp import web

from billing.money import to_decimal_string
from providers.sandbox.faults import FILE_FAULTS, LINE_FAULTS, Faults
from providers.sandbox.movements import Movement, Movements, another
from providers.settlement import MOSCOW
from providers.statements import LineKind

#: By how much ``register_amount``, ``register_changed`` and ``register_fee`` are wrong, minor units.
OFF: Final = 100
#: By how much ``register_late`` is late, seconds.
LATE_S: Final = 86_400.0
#: The type of ``register_type``: nobody was told of it.
UNKNOWN_TYPE: Final = "LoyaltyBonus"
OTHER_CURRENCY: Final = "USD"
#: Unix seconds, after every movement.
FOREVER: Final = 1e11
COLUMNS: Final = (
    "type", "order_id", "operation_id", "merchant_operation_id", "amount", "fee", "currency", "time", "payout",
)  # fmt: skip
_ZONE: Final = ZoneInfo(MOSCOW)
#: Days of those that do not count them in Moscow.
_ZONES: Final = {"stripe": ZoneInfo("Etc/UTC")}
_PIECE_LINES: Final = 1_000


class Stated(msgspec.Struct, frozen=True):
    """A movement as the statement shows it. ``of``: the one that happened; ``type``: in place of the provider's own."""

    movement: Movement
    of: Movement
    type: str | None = None

    @property
    def is_invented(self) -> bool:
        """Whether it is of an order that does not exist."""
        return self.movement.order_id != self.of.order_id


class Statements:
    """The statements of all providers."""

    def __init__(self, movements: Movements, faults: Faults) -> None:
        self._movements = movements
        self._faults = faults

    def lines(self, provider: str, start: float, end: float, *, is_first_page: bool = True) -> Iterator[Stated]:
        """What is shown from ``start`` on and before ``end`` (Unix seconds). ``is_first_page``: a reading begins."""
        if self._faults.has(LINE_FAULTS):
            self._movements.decide(provider, start, end, lambda: self._draw(provider, LINE_FAULTS), LATE_S)
        if is_first_page:
            self._movements.count_reading(provider, start, end)
        found = self._movements.between(provider, start, end)
        if self.file_fault(provider, start) == "register_half":
            before = self._movements.count(provider, _midnight(provider, start).timestamp(), start)
            found = (movement for number, movement in enumerate(found, before) if number % 2)
        return (stated for movement in found for stated in _stated(movement))

    def file_fault(self, provider: str, moment: float) -> str | None:
        """The fault of the whole statement of a moment's day, by the clocks of the provider."""
        if not self._faults.has(FILE_FAULTS) and not self._movements.struck_files(None):
            return None
        day = _midnight(provider, moment).date().isoformat()
        return self._movements.file_fault(provider, day, lambda: self._draw(provider, FILE_FAULTS))

    def register(
        self, provider: str, types: dict[LineKind, str], day: date, *, is_reading: bool = True
    ) -> Iterator[bytes]:
        """The register of a day in Moscow as CSV, in pieces. ``types``: how the provider calls the kinds. ``is_reading``:
        somebody reads it, and does not only check it."""
        start, end = day_bounds(day)
        columns = list(COLUMNS)
        if self.file_fault(provider, start) == "register_columns":
            columns[columns.index("amount")] = "sum"
        lines = self.lines(provider, start, end, is_first_page=is_reading)
        yield from _pieces(columns, (_row(stated, types) for stated in lines))

    def _draw(self, provider: str, names: tuple[str, ...]) -> str | None:
        fault = self._faults.draw(provider, "statement", *names)
        return None if fault is None else fault.fault


def day_bounds(day: date) -> tuple[float, float]:
    """The start and the end of a day in Moscow, Unix seconds."""
    start = datetime(day.year, day.month, day.day, tzinfo=_ZONE)
    return start.timestamp(), (start + timedelta(days=1)).timestamp()


def _midnight(provider: str, moment: float) -> datetime:
    """The start of a moment's day: a list that is read in parts has one day, also where Moscow is a day ahead."""
    zone = _ZONES.get(provider, _ZONE)
    return datetime.fromtimestamp(moment, zone).replace(hour=0, minute=0, second=0, microsecond=0)


def _stated(movement: Movement) -> Iterator[Stated]:
    change = msgspec.structs.replace
    more = OFF if movement.amount >= 0 else -OFF
    is_read_again = movement.readings > 1
    shown, type = movement, None
    match movement.fault:
        case "register_missing":
            return
        case "register_withdrawn" if is_read_again:
            return
        case "register_changed" if is_read_again:
            shown = change(movement, amount=movement.amount + more)
        case "register_amount":
            shown = change(movement, amount=movement.amount + more)
        case "register_fee":
            shown = change(movement, fee=movement.fee + OFF)
        case "register_currency":
            shown = change(movement, currency=OTHER_CURRENCY)
        case "register_type":
            type = UNKNOWN_TYPE
        case "register_twice":
            yield Stated(
                change(movement, id=another(movement.id), operation_id=another(movement.operation_id)), movement
            )
        case "register_extra":
            yield Stated(
                change(
                    movement, id=another(movement.id), operation_id=another(movement.operation_id), key="",
                    order_id=another(movement.order_id),
                ),
                movement,
            )  # fmt: skip
    yield Stated(shown, movement, type)


def _row(stated: Stated, types: dict[LineKind, str]) -> tuple[str, ...]:
    movement = stated.movement
    sign = "-" if movement.amount < 0 else ""
    return (
        stated.type or types[movement.kind],
        movement.order_id,
        movement.id,
        movement.key,
        f"{sign}{to_decimal_string(abs(movement.amount), movement.currency)}",
        to_decimal_string(movement.fee, movement.currency),
        movement.currency,
        datetime.fromtimestamp(movement.at, _ZONE).isoformat(),
        movement.payout,
    )


def _pieces(columns: list[str], rows: Iterable[tuple[str, ...]]) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for number, row in enumerate(rows, 1):
        writer.writerow(row)
        if number % _PIECE_LINES == 0:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def spoilt(answer: web.Response, fault: str | None, absent: web.Response) -> web.Response:
    """A list that serves as a statement, with the fault of its day. ``absent``: the answer where there is none yet."""
    assert isinstance(answer.body, bytes)
    match fault:
        case "register_absent":
            return absent
        case "register_truncated":
            return web.Response(body=answer.body[: len(answer.body) // 2], content_type="application/json")
        case "register_columns":
            body = answer.body.replace(b'"amount":', b'"sum":')
            return web.Response(body=body, content_type="application/json")
        case _:
            return answer
