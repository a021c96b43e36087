"""``billing staff``: people who use the pages, and what they may do."""

import sys
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from backoffice import staff
from backoffice.staff import IssuedLink
from billing.access.roles import Role
from cli.arguments import Actor, AsJson, Reason, operator
from cli.output import err, on_running_stack, out, write_json

app = typer.Typer(help="People who use the pages, and what they may do.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The person's e-mail address.")]
RoleOption = Annotated[Role, typer.Option(help="What the person may do; the page of the staff lists it.")]


@app.command()
def add(
    email: Email,
    name: Annotated[str, typer.Option(help="The person's name.")],
    role: RoleOption,
    reason: Reason,
    actor: Actor,
    as_json: AsJson = False,
) -> None:
    """Add a person, and print the link with which they choose a password within an hour; with an OpenID provider people
    sign in there, and need no link."""
    who = operator(actor, reason)
    issued = on_running_stack(lambda settings: staff.add(settings, who, email, name, role))
    if issued is not None:
        _show(issued, as_json=as_json)
    elif as_json:
        write_json({"email": email, "role": role})
    else:
        err.print(f"{email} is added, and signs in at the OpenID provider", markup=False, highlight=False)


@app.command("list")
def list_staff(as_json: AsJson = False) -> None:
    """List the people: role, factors, last use."""
    people = on_running_stack(staff.list_all)
    if as_json:
        write_json({"staff": people})
        return
    table = Table(title=f"{len(people)} people", title_justify="left")
    for column in ("e-mail", "name", "role", "factors", "last seen (UTC)", "suspended"):
        table.add_column(column, overflow="fold")
    for one in people:
        times = (str(at)[:19] if at else "" for at in (one.seen_at, one.suspended_at))
        cells = (one.email, one.name, one.role, " ".join(one.credentials) or "none yet", *times)
        table.add_row(*map(escape, cells), style="dim" if one.suspended_at else None)
    out.print(table)


@app.command()
def link(email: Email, reason: Reason, actor: Actor, as_json: AsJson = False) -> None:
    """Print a link with which a person chooses a new password and sets up an authenticator anew."""
    who = operator(actor, reason)
    _show(on_running_stack(lambda settings: staff.link(settings, who, email)), as_json=as_json)


@app.command()
def role(
    email: Email,
    role: Annotated[Role, typer.Argument(help="The new role.")],
    reason: Reason,
    actor: Actor,
) -> None:
    """Change a person's role; their sessions end."""
    who = operator(actor, reason)
    issued = on_running_stack(lambda settings: staff.set_role(settings, who, email, role))
    err.print(f"{email} is {role} now", markup=False, highlight=False)
    if issued is not None:
        err.print("this role needs an authenticator:")
        _show(issued, as_json=False)


@app.command()
def suspend(email: Email, reason: Reason, actor: Actor) -> None:
    """Let a person in no more; their sessions end at once."""
    who = operator(actor, reason)
    on_running_stack(lambda settings: staff.suspend(settings, who, email))
    out.print(f"{email} is suspended", markup=False, highlight=False)


@app.command()
def restore(email: Email, reason: Reason, actor: Actor) -> None:
    """Let a suspended person in again."""
    who = operator(actor, reason)
    on_running_stack(lambda settings: staff.restore(settings, who, email))
    out.print(f"{email} may sign in again", markup=False, highlight=False)


@app.command()
def unlink(email: Email, reason: Reason, actor: Actor) -> None:
    """Forget the account of the OpenID provider that a person is linked to: another one is linked at the next sign-in."""
    who = operator(actor, reason)
    on_running_stack(lambda settings: staff.unlink(settings, who, email))
    out.print(f"{email} is not linked any more; their sessions have ended", markup=False, highlight=False)


def _show(issued: IssuedLink, *, as_json: bool) -> None:
    if as_json:
        write_json(issued)
        return
    err.print("The link works once, within an hour, for anybody who has it:", style="yellow")
    sys.stdout.write(issued.url + "\n")
