"""Arguments and options that several commands share."""

from typing import Annotated

import typer

from backoffice.operators import Operator

Actor = Annotated[str, typer.Option(envvar="USER", help="Who acts; stays on record.")]
Reason = Annotated[str, typer.Option(help="Why; stays on record.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


def operator(actor: str, reason: str) -> Operator:
    """The person who runs the command; exit code 2 if the name or the reason is blank."""
    try:
        return Operator(actor.strip(), reason.strip())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--reason" if actor.strip() else "--actor") from error
