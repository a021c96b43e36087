"""``billing clearing``: what the providers recorded against the books, and the days that are closed."""

import typer

from cli.clearing import books

app = typer.Typer(help="Clearing: days of the books, closed one by one.", no_args_is_help=True)
app.command("close")(books.close)
app.command("trial-balance")(books.trial_balance)
