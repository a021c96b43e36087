"""``billing subscriptions``: list, show, cancel and extend subscriptions; play a life that does not exist."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer
from rich.markup import escape
from rich.table import Table

from backoffice import subscriptions
from backoffice.subscriptions import Record
from billing.messages.subscription_commands import When
from billing.messages.subscription_events import SubscriptionReply, SubscriptionSnapshot
from billing.money import Money
from billing.subscriptions.prices import RefundRule
from billing.subscriptions.vocabulary import Status
from cli.arguments import Actor, AsJson, Reason, operator
from cli.output import REFUSED, on_running_stack, out, refuse, unanswered, write_json
from cli.simulation import simulate
from storage.journal.story import TimelineEntry
from storage.subscriptions.lists import SubscriptionFilters

app = typer.Typer(help="Subscriptions: list, show, cancel, extend; play a life.", no_args_is_help=True)
app.command()(simulate)

SubscriptionId = Annotated[UUID, typer.Argument(metavar="SUBSCRIPTION_ID", help="The subscription.")]


@app.command("list")
def list_subscriptions(
    client: Annotated[str | None, typer.Option(help="Of this API client; of all if left out.")] = None,
    customer: Annotated[str | None, typer.Option(help="Of this customer, by the client's own id.")] = None,
    status: Annotated[Status | None, typer.Option(help="In this state.")] = None,
    plan: Annotated[str | None, typer.Option(help="To this plan.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the newest subscriptions."""
    filters = SubscriptionFilters(customer_id=customer, status=status, plan=plan)
    found = on_running_stack(lambda settings: subscriptions.find(settings, client, filters, limit))
    if as_json:
        write_json({"subscriptions": found})
        return
    table = Table(title="Subscriptions", title_justify="left")
    for column in ("subscription", "client", "customer", "plan", "status", "access until (UTC)", "next (UTC)"):
        table.add_column(column, overflow="fold")
    for s in found:
        cells = (str(s.subscription_id), s.client_id, s.customer_id, s.price.plan, _status(s))
        table.add_row(*map(escape, (*cells, _time(s.access_until), _next(s))))
    out.print(table)


@app.command()
def show(subscription: SubscriptionId, as_json: AsJson = False) -> None:
    """Show a subscription with its periods and attempts. Exit 1: no such subscription."""
    found = on_running_stack(lambda settings: subscriptions.read(settings, subscription))
    if found is None:
        refuse(f"there is no subscription {subscription}")
    if as_json:
        write_json(found)
    else:
        _show(found)


@app.command()
def timeline(subscription: SubscriptionId, as_json: AsJson = False) -> None:
    """Show everything that happened to a subscription. Exit 1: no such subscription."""
    entries = on_running_stack(lambda settings: subscriptions.read_timeline(settings, subscription))
    if not entries:
        refuse(f"there is no subscription {subscription}")
    if as_json:
        write_json({"subscription_id": subscription, "entries": entries})
        return
    for entry in entries:
        out.print(_line(entry), markup=False, highlight=False, soft_wrap=True)


@app.command()
def cancel(
    subscription: SubscriptionId,
    reason: Reason,
    actor: Actor,
    now: Annotated[bool, typer.Option("--now/--at-end", help="At once, or at the end of the paid period.")] = False,
    refund: Annotated[
        RefundRule | None, typer.Option(help="With --now: what is given back; what the price says if left out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """End a subscription for its customer. Exit 1: refused; 3: no reply yet."""
    if refund is not None and not now:
        raise typer.BadParameter("a refund goes with --now: until the end the time is used", param_hint="--refund")
    who = operator(actor, reason)
    when = When.NOW if now else When.AT_END
    reply = on_running_stack(
        lambda settings: subscriptions.cancel(settings, who, subscription, when=when, refund=refund)
    )
    shown = _replied(subscription, reply, as_json=as_json)
    back = "" if reply is None or not reply.refunded else f"; given back: {Money(reply.refunded, shown.price.currency)}"
    ends = shown.cancel_at or shown.ended_at
    if not as_json:
        out.print(f"it ends {_time(ends)}, access until {_time(shown.access_until) or 'now'}{back}", highlight=False)


@app.command()
def extend(
    subscription: SubscriptionId,
    until: Annotated[str, typer.Option(metavar="TIME", help="The new end: ISO 8601, UTC unless it has an offset.")],
    reason: Reason,
    actor: Actor,
    as_json: AsJson = False,
) -> None:
    """Give a customer time: move the end of the paid period. Exit 1: refused; 3: no reply yet."""
    who, moment = operator(actor, reason), _moment(until)
    reply = on_running_stack(lambda settings: subscriptions.extend(settings, who, subscription, moment))
    shown = _replied(subscription, reply, as_json=as_json)
    if not as_json:
        out.print(f"{shown.status.value}; access until {_time(shown.access_until)}", highlight=False)


def _replied(id: UUID, reply: SubscriptionReply | None, *, as_json: bool) -> SubscriptionSnapshot:
    """The subscription after a command; ends the program where there is none to show."""
    if reply is None:
        unanswered(f"billing subscriptions timeline {id}", as_json=as_json)
    if as_json:
        write_json(reply)
    if reply.refusal is not None:
        if not as_json:
            out.print(f"refused, {reply.refusal.code}: {reply.refusal.detail}", style="red", markup=False)
        raise typer.Exit(REFUSED)
    assert reply.subscription is not None
    return reply.subscription


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a time like 2026-11-23T12:00:00Z", param_hint="--until") from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _time(moment: datetime | None) -> str:
    return "" if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S")


def _status(s: SubscriptionSnapshot) -> str:
    if s.end_reason is not None:
        return f"{s.status.value} ({s.end_reason.value})"
    return s.status.value if s.cancel_at is None else f"{s.status.value}, ends {_time(s.cancel_at)}"


def _next(s: SubscriptionSnapshot) -> str:
    return "" if s.next_action is None else f"{s.next_action} {_time(s.next_action_at)}"


def _line(entry: TimelineEntry) -> str:
    return f"{_time(entry.at)} {entry.kind} {entry.summary}" + (f" ({entry.actor})" if entry.actor else "")


def _show(found: Record) -> None:
    s = found.subscription
    price = f"{Money(s.price.amount, s.price.currency)}, {s.price.cadence.count} {s.price.cadence.unit.value}"
    out.print(f"subscription {s.subscription_id}: {_status(s)}", markup=False, highlight=False)
    facts = {
        "customer": f"{s.customer_id} of {s.client_id}",
        "plan": f"{s.price.plan}, version {s.price.version}: {price}",
        "life": str(s.life),
        "access until": _time(s.access_until) or "none",
        "method": "none" if s.method is None else f"{s.method.title or s.method.id} at {s.method.provider}",
        "dunning": "none"
        if s.dunning is None
        else f"{s.dunning.reason} ({s.dunning.decline.value}), tries {s.dunning.tries}, next {_time(s.dunning.retry_at)}",
        "next": _next(s) or "nothing",
    }
    for name, value in facts.items():
        out.print(f"  {name}: {value}", markup=False, highlight=False, soft_wrap=True)
    periods = Table(title="Periods", title_justify="left")
    for column in ("number", "life", "start (UTC)", "end (UTC)", "amount", "status", "payment"):
        periods.add_column(column, overflow="fold")
    for p in found.periods:
        amount = str(Money(p.amount, p.currency))
        cells = (str(p.number), str(p.life), _time(p.start_at), _time(p.end_at), amount, p.status.value, str(p.paid_by))
        periods.add_row(*cells)
    attempts = Table(title="Attempts", title_justify="left")
    for column in ("period", "attempt", "purpose", "trigger", "state", "reason", "requested (UTC)", "payment"):
        attempts.add_column(column, overflow="fold")
    for a in found.attempts:
        tried = (str(a.period), str(a.number), a.purpose.value, a.trigger.value, a.state.value, a.reason or "")
        attempts.add_row(*map(escape, tried), _time(a.requested_at), str(a.payment_id))
    out.print(periods)
    out.print(attempts)
