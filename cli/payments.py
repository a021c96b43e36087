"""``billing payment``: an operator's word on a payment, and asking its provider now."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID, uuid4

import typer
from rich.console import Console

from cli.output import on_running_stack
from runtime.settings import Settings

if TYPE_CHECKING:
    from billing.messages import Reply

#: Exit codes beside 0: the payment refused; nobody answered in time.
REFUSED: Final = 1
UNANSWERED: Final = 3

app = typer.Typer(help="One payment: correct what the books say of it, ask its provider now.", no_args_is_help=True)

PaymentId = Annotated[UUID, typer.Argument(metavar="PAYMENT_ID", help="The payment.")]
Actor = Annotated[str, typer.Option(envvar="USER", help="Who says so; stays on record.")]


@app.command()
def correct(
    payment: PaymentId,
    operation: Annotated[UUID, typer.Argument(metavar="OPERATION_ID", help="As `billing timeline` shows it.")],
    *,
    succeeded: Annotated[bool, typer.Option("--succeeded/--failed", help="How it really ended.")],
    reason: Annotated[str, typer.Option(help="The evidence; stays on record.")],
    actor: Actor,
) -> None:
    """Say how an operation really ended. What was posted otherwise is reversed, never erased.

    For when the provider's console or statement shows what its API does not tell. Where the books could not hold
    the correction it is refused, and the answer says what to correct first.
    """
    from billing.messages import CorrectPayment

    if not reason.strip():
        raise typer.BadParameter("say what you saw, and where", param_hint="--reason")
    message = CorrectPayment(payment, uuid4(), operation, succeeded, actor, reason.strip())
    reply = on_running_stack(_asking(message, actor))
    console = Console()
    if reply is None:
        console.print(f"stored, but not answered yet: see `billing timeline {payment}`", style="yellow")
        raise typer.Exit(UNANSWERED)
    if reply.refusal is not None:
        console.print(f"refused, {reply.refusal.code}: {reply.refusal.detail}", style="red", markup=False)
        raise typer.Exit(REFUSED)
    assert reply.payment is not None
    console.print(f"on record; the payment is {reply.payment.status}")


@app.command()
def ask(payment: PaymentId) -> None:
    """Ask the provider now about what is open in a payment, instead of when its time comes."""
    asked = on_running_stack(lambda settings: _ask(settings, payment))
    if not asked:
        Console().print(f"nothing of {payment} is open: there is nothing to ask", style="yellow")
        raise typer.Exit(REFUSED)
    Console().print(f"asked about {asked} operation(s): see `billing timeline {payment}`")


def _asking(message: Any, actor: str) -> Callable[[Settings], Coroutine[Any, Any, "Reply | None"]]:
    from backoffice.corrections import say

    return lambda settings: say(settings, message, f"operator:{actor}", _now())


async def _ask(settings: Settings, payment: UUID) -> int:
    from aiokafka import AIOKafkaProducer

    from runtime.kafka.options import producer_options
    from runtime.kafka.publisher import Outbox
    from runtime.postgres import connected
    from storage.payments.follow_ups import open_operations
    from streams.payments.follow_ups import chase_message

    async with connected(settings) as engine, engine.connect() as connection:
        operations = await open_operations(connection, payment)
    async with AIOKafkaProducer(**producer_options(settings)) as producer:
        await Outbox(producer).publish([chase_message(*row, _now()) for row in operations])
    return len(operations)


def _now() -> datetime:
    return datetime.now(UTC)
