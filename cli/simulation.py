"""``billing subscriptions simulate``: the calendar of a life that does not exist."""

from datetime import datetime
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from rich.markup import escape
from rich.table import Table

from backoffice import plans
from billing.money import EXPONENTS, Money
from billing.reasons import Reason
from billing.subscriptions.cadence import Cadence, Unit, to_utc
from billing.subscriptions.calendar import CalendarEntry, Entry, Outcomes, imagined_life
from billing.subscriptions.prices import Price, price_id
from cli.arguments import AsJson
from cli.output import on_running_stack, out, refuse, write_json
from runtime.clock import utc_now

#: An attempt that is paid, among those that are declined.
_PAID: Final = "ok"
_STYLES: Final = {Entry.CHARGE: "cyan", Entry.PAID: "green", Entry.DECLINED: "red", Entry.STATUS: "bold"}
_CLIENT: Final = "simulation"


def simulate(
    plan: Annotated[
        str | None, typer.Argument(metavar="PLAN", help="A plan on the running stack; or give --amount.")
    ] = None,
    client: Annotated[str | None, typer.Option(help="The API client that sells the plan.")] = None,
    amount: Annotated[int | None, typer.Option(min=1, help="Minor units a period, instead of a plan.")] = None,
    currency: Annotated[str, typer.Option(help="ISO 4217.")] = "RUB",
    interval: Annotated[Unit, typer.Option(help="With --amount: the unit of a period's length.")] = Unit.MONTH,
    count: Annotated[int, typer.Option(min=1, help="With --amount: how many intervals a period has.")] = 1,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="When it begins, by the wall clock of --zone; now if left out."),
    ] = None,
    periods: Annotated[int, typer.Option(min=1, max=120, help="How many periods to play.")] = 13,
    declines: Annotated[
        list[str] | None,
        typer.Option(
            help="Charges that fail: 3=insufficient_funds for every attempt of period 3, 3.2=ok for one that is paid; "
            "several with commas, or repeat it."
        ),
    ] = None,
    cancel: Annotated[
        str | None, typer.Option(metavar="TIME", help="When the customer cancels, at the end of the period.")
    ] = None,
    zone: Annotated[str, typer.Option(help="The business zone.")] = "Europe/Moscow",
    as_json: AsJson = False,
) -> None:
    """Play a subscription's life by the rules that carry it out, and show its charges, letters and access. Nothing runs, and
    nothing is stored. Exit 1: no such plan."""
    _check_zone(zone)
    price = _price_of(plan, client, amount, currency, Cadence(interval, count))
    begins = utc_now().replace(microsecond=0) if start is None else _moment(start, zone, "--from")
    ends = None if cancel is None else _moment(cancel, zone, "--cancel")
    entries = imagined_life(price, begins, periods, zone, _outcomes(declines or ()), cancel_at=ends)
    if as_json:
        write_json({"price": price, "entries": entries})
    else:
        _show(price, entries)


def _price_of(plan: str | None, client: str | None, amount: int | None, currency: str, cadence: Cadence) -> Price:
    if (plan is None) == (amount is None):
        raise typer.BadParameter("give a plan with --client, or --amount", param_hint="PLAN")
    if currency not in EXPONENTS:
        raise typer.BadParameter(f"one of {', '.join(sorted(EXPONENTS))}", param_hint="--currency")
    if amount is not None:
        id = price_id(_CLIENT, _CLIENT, currency, 1)
        return Price(id, _CLIENT, _CLIENT, "Simulation", 1, currency, amount, cadence, ("simulation",))
    if client is None:
        raise typer.BadParameter("name the API client that sells the plan", param_hint="--client")
    found = on_running_stack(lambda settings: plans.find_plan(settings, client, str(plan)))
    price = None if found is None else found.price(currency)
    if price is None:
        refuse(f"{client} has no plan {plan} with a price in {currency}")
    return price


def _check_zone(zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise typer.BadParameter(f"there is no time zone {zone!r}", param_hint="--zone") from error


def _moment(text: str, zone: str, option: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a time like 2026-01-31T10:00", param_hint=option) from error
    return to_utc(moment, zone) if moment.tzinfo is None else moment.astimezone(ZoneInfo("UTC"))


def _outcomes(declines: list[str] | tuple[str, ...]) -> Outcomes:
    """``3=insufficient_funds``, ``3.2=ok`` → how the attempts of a period, or one of them, end."""
    outcomes: dict[tuple[int, int | None], str | None] = {}
    known = {reason.value for reason in Reason}
    for part in (part for given in declines for part in given.split(",")):
        place, _, reason = part.strip().partition("=")
        period, _, attempt = place.partition(".")
        if not period.isdecimal() or not (attempt == "" or attempt.isdecimal()) or reason not in (known | {_PAID}):
            raise typer.BadParameter(
                f"{part!r} is not like 3=insufficient_funds or 3.2=ok, with a reason of docs/reasons.md",
                param_hint="--declines",
            )
        outcomes[int(period), int(attempt) if attempt else None] = None if reason == _PAID else reason
    return outcomes


def _show(price: Price, entries: list[CalendarEntry]) -> None:
    cost = Money(price.amount, price.currency)
    table = Table(
        title=f"{escape(price.title)}: {cost}, {price.cadence.count} {price.cadence.unit.value}", title_justify="left"
    )
    for column in ("local", "UTC", "what", "period", "amount", "status", "access until (local)"):
        table.add_column(column, overflow="fold")
    for e in entries:
        what = e.what.value.lower() if e.detail is None else f"{e.what.value.lower()}: {e.detail}"
        money = "" if e.amount is None or e.what is Entry.NOTICE else str(Money(e.amount, e.currency))
        until = "" if e.access_until is None else _minute(e.access_until.astimezone(e.local.tzinfo))
        period = "" if e.period is None else str(e.period)
        cells = (_minute(e.local), _minute(e.at), what, period, money, e.status.value, until)
        table.add_row(*map(escape, cells), style=_STYLES.get(e.what))
    out.print(table)


def _minute(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")
