"""``billing payment``: correct an operation, query its provider now."""

from typing import Annotated
from uuid import UUID

import typer

from backoffice import corrections, follow_ups
from cli.arguments import Actor, Reason, operator
from cli.output import REFUSED, on_running_stack, out, unanswered

app = typer.Typer(help="One payment: correct an operation, query its provider now.", no_args_is_help=True)

PaymentId = Annotated[UUID, typer.Argument(metavar="PAYMENT_ID", help="The payment.")]


@app.command()
def correct(
    payment: PaymentId,
    operation: Annotated[UUID, typer.Argument(metavar="OPERATION_ID", help="As `billing timeline` shows it.")],
    *,
    succeeded: Annotated[bool, typer.Option("--succeeded/--failed", help="How it really ended.")],
    reason: Annotated[str, typer.Option(help="The evidence; stays on record.")],
    actor: Actor,
) -> None:
    """Record how an operation really ended. Postings that contradict it are reversed, never erased.

    For when the provider's console or statement shows what its API does not. A correction that the payment's amounts
    do not allow is refused, and the answer says what to correct first. Exit 1: refused; 3: no reply yet.
    """
    who = operator(actor, reason)
    reply = on_running_stack(
        lambda settings: corrections.correct(settings, who, payment, operation, succeeded=succeeded)
    )
    if reply is None:
        unanswered(f"billing timeline {payment}")
    if reply.refusal is not None:
        out.print(f"refused, {reply.refusal.code}: {reply.refusal.detail}", style="red", markup=False)
        raise typer.Exit(REFUSED)
    assert reply.payment is not None
    out.print(f"recorded; the payment is {reply.payment.status}")


@app.command()
def ask(payment: PaymentId, reason: Reason, actor: Actor) -> None:
    """Query the provider now about a payment, whatever its status. Exit 1: no such payment."""
    who = operator(actor, reason)
    queried = on_running_stack(lambda settings: follow_ups.query_provider(settings, who, payment))
    if not queried:
        out.print(f"There is no payment {payment}.", style="red")
        raise typer.Exit(REFUSED)
    out.print(f"queries sent: {queried}; `billing timeline {payment}` shows the answers")
