"""``billing plans``: what customers subscribe to, and what it costs."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from backoffice import plans
from billing.money import Money
from billing.subscriptions.cadence import Cadence, Unit
from billing.subscriptions.prices import Price, RefundRule
from billing.vocabulary import Tax
from cli.arguments import Actor, AsJson, Reason, operator
from cli.output import on_running_stack, out, refuse, write_json
from storage.subscriptions.plans import NewPrice, Plan

app = typer.Typer(help="Plans and their prices.", no_args_is_help=True)

Client = Annotated[str, typer.Option(help="The API client that sells the plan.")]
PlanId = Annotated[str, typer.Argument(metavar="PLAN", help="The plan.")]
Currency = Annotated[str, typer.Option(help="ISO 4217.")]
Amount = Annotated[int, typer.Option(min=1, help="Minor units a period, tax included.")]
Interval = Annotated[Unit, typer.Option(help="The unit of a period's length.")]
Count = Annotated[int, typer.Option(min=1, help="How many intervals a period has.")]


@app.command("list")
def list_plans(client: Client, as_json: AsJson = False) -> None:
    """List a client's plans with the newest price of each currency."""
    found = on_running_stack(lambda settings: plans.list_plans(settings, client))
    if as_json:
        write_json({"plans": found})
        return
    table = Table(title=f"Plans of {client}", title_justify="left")
    for column in ("plan", "group", "title", "prices", "archived (UTC)"):
        table.add_column(column, overflow="fold")
    for plan in found:
        newest = {price.currency: price for price in reversed(plan.prices)}
        prices = ", ".join(_cost(price) for price in newest.values())
        archived = "" if plan.archived_at is None else str(plan.archived_at)[:19]
        table.add_row(*map(escape, (plan.id, plan.group, plan.title, prices, archived)))
    out.print(table)


@app.command()
def show(plan: PlanId, client: Client, as_json: AsJson = False) -> None:
    """Show a plan with all versions of its prices. Exit 1: no such plan."""
    found = on_running_stack(lambda settings: plans.find_plan(settings, client, plan))
    if found is None:
        refuse(f"{client} has no plan {plan}")
    if as_json:
        write_json(found)
    else:
        _show(found)


@app.command()
def create(
    plan: PlanId,
    client: Client,
    title: Annotated[str, typer.Option(help="As customers and receipts see it; it never changes.")],
    reason: Reason,
    actor: Actor,
    group: Annotated[
        str | None, typer.Option(help="A customer has one subscription in it; the plan's id if left out.")
    ] = None,
) -> None:
    """Make a plan. Its prices follow: `billing plans price`. Exit 1: there is one with this id."""
    who = operator(actor, reason)
    on_running_stack(lambda settings: plans.create(settings, who, client, plan, group or plan, title))
    out.print(f"{client} has the plan {plan}", markup=False, highlight=False)


@app.command()
def price(
    plan: PlanId,
    client: Client,
    amount: Amount,
    product: Annotated[list[str], typer.Option(help="What a paid period gives access to; repeat it for several.")],
    reason: Reason,
    actor: Actor,
    currency: Currency = "RUB",
    interval: Interval = Unit.MONTH,
    count: Count = 1,
    tax: Annotated[Tax, typer.Option(help="The tax that the amount includes.")] = Tax.NONE,
    refund: Annotated[
        RefundRule, typer.Option(help="What a customer gets back who ends a paid period at once.")
    ] = RefundRule.PRORATED,
    as_json: AsJson = False,
) -> None:
    """Add the next version of a price, for new subscriptions; running ones keep theirs. Exit 1: refused."""
    who = operator(actor, reason)
    terms = NewPrice(
        currency=currency,
        amount=amount,
        cadence=Cadence(interval, count),
        products=tuple(product),
        tax=tax,
        refund_on_cancel=refund,
    )
    made = on_running_stack(lambda settings: plans.add_price(settings, who, client, plan, terms))
    if as_json:
        write_json(made)
    else:
        out.print(f"{plan}: version {made.version}, {_cost(made)}, price {made.id}", markup=False, highlight=False)


def _cost(price: Price) -> str:
    cadence = price.cadence
    length = cadence.unit.value.lower() if cadence.count == 1 else f"{cadence.count} {cadence.unit.value.lower()}s"
    return f"{Money(price.amount, price.currency)} a {length}"


def _show(plan: Plan) -> None:
    archived = "" if plan.archived_at is None else f", archived {str(plan.archived_at)[:19]}"
    table = Table(
        title=f"{escape(plan.id)}: {escape(plan.title)}, group {escape(plan.group)}{archived}", title_justify="left"
    )
    for column in ("currency", "version", "cost", "products", "refund on cancel", "price"):
        table.add_column(column, overflow="fold")
    for price in plan.prices:
        products = ", ".join(price.products)
        cells = (
            price.currency,
            str(price.version),
            _cost(price),
            products,
            price.refund_on_cancel.value,
            str(price.id),
        )
        table.add_row(*map(escape, cells))
    out.print(table)
