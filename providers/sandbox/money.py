"""What is asked about the providers' money, and done to it, beside their APIs: registers, payouts, balances, chargebacks,
charges that nobody asked for, their clocks, and the list of statement faults that struck."""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final

import msgspec
from aiohttp import web

from providers.sandbox.faults import PAYOUT_FAULTS, Faults
from providers.sandbox.imitation import Imitation
from providers.sandbox.json_http import answer, read
from providers.sandbox.ledger import Order, ProviderLedger, new_operation
from providers.sandbox.movements import Movement
from providers.sandbox.statements import FOREVER, LATE_S, OFF, Statements, day_bounds
from providers.statements import LineKind

_CLOCK: Final = "clock"


class Clock(msgspec.Struct, forbid_unknown_fields=True):
    """``offset_s``: by how much the providers' clocks are ahead, seconds."""

    offset_s: float


class Charge(msgspec.Struct, forbid_unknown_fields=True):
    """A charge that the merchant never asked for. ``amount``: minor units."""

    provider: str
    amount: int
    currency: str = "RUB"


class Chargeback(msgspec.Struct, forbid_unknown_fields=True):
    """``amount``: minor units, by default all that was captured. ``won``: the merchant gets it back at once."""

    amount: int | None = None
    won: bool = False


class MoneyRoutes:
    """The handlers."""

    def __init__(
        self, ledger: ProviderLedger, statements: Statements, faults: Faults, imitations: Mapping[str, Imitation]
    ) -> None:
        self._ledger = ledger
        self._statements = statements
        self._faults = faults
        self._imitations = imitations
        kept = ledger.recall(_CLOCK)
        ledger.movements.offset_s = 0.0 if kept is None else msgspec.json.decode(kept, type=Clock).offset_s

    def routes(self) -> list[web.RouteDef]:
        """The routes below ``/_sandbox``."""
        return [
            web.get("/_sandbox/registers/{provider}/{day}.csv", self._register),
            web.get("/_sandbox/registers/{provider}/{day}.csv.sha256", self._register_digest),
            web.get("/_sandbox/payouts/{provider}", self._payouts),
            web.post("/_sandbox/payouts/{provider}", self._pay_out),
            web.get("/_sandbox/balance/{provider}", self._balance),
            web.post("/_sandbox/chargeback/{order_id}", self._charge_back),
            web.post("/_sandbox/charge", self._charge),
            web.get("/_sandbox/clock", self._show_clock),
            web.post("/_sandbox/clock", self._set_clock),
            web.get("/_sandbox/faults/struck", self._struck),
        ]

    def charge_back(self, order: Order, *, is_won: bool, amount: int | None = None) -> None:
        """The customer's bank takes the money back; ``is_won``: and returns it."""
        taken, now = order.captured if amount is None else amount, self._ledger.movements.now()
        lost = self._movement(f"cb_{order.order_id}", LineKind.CHARGEBACK, -taken, order, now, "chargeback")
        won = self._movement(
            f"cb_{order.order_id}_won", LineKind.CHARGEBACK_UNDONE, taken, order, now, "chargeback_won"
        )
        with self._ledger.change():
            self._ledger.movements.add([lost, won] if is_won else [lost])

    @staticmethod
    def _movement(id: str, kind: LineKind, amount: int, order: Order, at: float, fault: str) -> Movement:
        provider, currency = order.provider, order.currency
        return Movement(id, provider, kind, amount, currency, 0, at, at, order_id=order.order_id, fault=fault)

    async def _register(self, request: web.Request) -> web.StreamResponse:
        """The register of a day in Moscow: the file that the provider's console offers."""
        provider, day = self._provider(request), _day(request.match_info["day"])
        fault = self._statements.file_fault(provider, day_bounds(day)[0])
        if fault == "register_absent":
            raise web.HTTPNotFound(text="there is no register yet")
        response = web.StreamResponse(headers={"Content-Type": "text/csv"})
        await response.prepare(request)
        pieces = self._pieces(provider, day, is_reading=True)
        for piece in _cut(pieces) if fault == "register_truncated" else pieces:
            await response.write(piece)
        await response.write_eof()
        return response

    async def _register_digest(self, request: web.Request) -> web.Response:
        """What shows whether the register was copied whole."""
        provider, day = self._provider(request), _day(request.match_info["day"])
        digest = hashlib.sha256()
        for piece in self._pieces(provider, day, is_reading=False):
            digest.update(piece)
        return web.Response(text=digest.hexdigest())

    def _pieces(self, provider: str, day: date, *, is_reading: bool) -> Iterator[bytes]:
        types = dict(self._imitations[provider].register_types)
        if not types:
            raise web.HTTPNotFound(text="its lists are its statements")
        return self._statements.register(provider, types, day, is_reading=is_reading)

    async def _payouts(self, request: web.Request) -> web.Response:
        """The payouts, and what came back."""
        return answer(
            {"payouts": [_shown(payout) for payout in self._ledger.movements.payouts(self._provider(request))]}
        )

    async def _pay_out(self, request: web.Request) -> web.Response:
        """Pay out what is not paid out yet: ``?currency=``."""
        provider, currency = self._provider(request), request.query.get("currency", "RUB")
        struck = self._faults.draw(provider, "statement", *PAYOUT_FAULTS)
        fault = None if struck is None else struck.fault
        with self._ledger.change():
            payout = self._ledger.movements.pay_out(
                provider,
                currency,
                OFF if fault == "payout_short" else 0,
                LATE_S if fault == "payout_late" else 0.0,
                fault,
            )
        return answer({"payout": None if payout is None else _shown(payout)})

    async def _balance(self, request: web.Request) -> web.Response:
        """What the provider owes the merchant, whatever its statements say: ``?at=`` (Unix seconds)."""
        provider = self._provider(request)
        try:
            until = float(request.query.get("at", FOREVER))
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        return answer({"balance": self._ledger.movements.balance(provider, until)})

    async def _charge_back(self, request: web.Request) -> web.Response:
        """A chargeback of one order."""
        order, chargeback = self._ledger.find(request.match_info["order_id"]), await read(request, Chargeback)
        if order is None:
            raise web.HTTPNotFound(text="no such order")
        done = order.captured > 0
        if done:
            self.charge_back(order, is_won=chargeback.won, amount=chargeback.amount)
        return answer({"done": done})

    async def _charge(self, request: web.Request) -> web.Response:
        """A charge that the merchant never asked for, an order of its own."""
        charge = await read(request, Charge)
        if charge.provider not in self._imitations:
            raise web.HTTPBadRequest(text=f"provider is one of {', '.join(self._imitations)}")
        id, now = self._imitations[charge.provider].new_order_id(), self._ledger.movements.now()
        operation = new_operation("CAPTURE", "SUCCESS", charge.amount, now)
        order = Order(
            id, charge.provider, charge.currency, charge.amount, "CAPTURED", now, now,
            authorized=charge.amount, captured=charge.amount, operations=[operation], details=_details(id, now),
        )  # fmt: skip
        movement = msgspec.structs.replace(
            self._movement(operation.id, LineKind.CHARGE, charge.amount, order, now, "charge_in_console"),
            operation_id=operation.id,
        )
        with self._ledger.change():
            self._ledger.put(order)
            self._ledger.index(order, operation.id)
            self._ledger.movements.add([movement])
        return answer({"order_id": id})

    async def _show_clock(self, _request: web.Request) -> web.Response:
        return answer(Clock(self._ledger.movements.offset_s))

    async def _set_clock(self, request: web.Request) -> web.Response:
        """What happens from now on is dated by these clocks."""
        clock = await read(request, Clock)
        self._ledger.movements.offset_s = clock.offset_s
        self._ledger.remember(_CLOCK, msgspec.json.encode(clock))
        return answer(clock)

    async def _struck(self, request: web.Request) -> web.Response:
        """What statements say otherwise than it happened: ``?day=`` in Moscow, else all days."""
        day = request.query.get("day")
        start, end = (0.0, FOREVER) if day is None else day_bounds(_day(day))
        return answer(
            {
                "lines": [_shown(movement) for movement in self._ledger.movements.struck(start, end)],
                "statements": self._ledger.movements.struck_files(day),
            }
        )

    def _provider(self, request: web.Request) -> str:
        provider = request.match_info["provider"]
        if provider not in self._imitations:
            raise web.HTTPNotFound(text=f"no such provider; there are: {', '.join(self._imitations)}")
        return provider


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise web.HTTPBadRequest(text=str(error)) from None


def _cut(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """All but the end, which breaks off within a row."""
    last = next(pieces)
    for piece in pieces:
        yield last
        last = piece
    yield last[: len(last) * 2 // 3].rstrip(b"\n")


def _shown(movement: Movement) -> dict[str, Any]:
    return msgspec.structs.asdict(movement)


def _details(id: str, now: float) -> dict[str, Any]:
    """What every provider's answers read of an order."""
    return {
        "metadata": {},
        "charge_metadata": {},
        "session_metadata": {},
        "description": None,
        "client_reference_id": None,
        "order_id": "",
        "captured_at": now,
        "method": {"id": id, "saved": False},
        "saves": False,
        "customer": None,
    }
