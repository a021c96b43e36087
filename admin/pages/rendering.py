"""Render pages: one environment, one look, the same headers for all."""

from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from admin import formatting
from admin.pages.navigation import places_of
from admin.people import forms
from admin.people.guard import accounts_of
from admin.people.person import Person
from analytics import words
from analytics.chart import SIZES
from runtime.http.problems import ProblemError

#: No scripts, nothing from other origins.
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
#: Of the pages that ask for a passkey: scripts that are files of ours, and nothing that they could fetch.
SCRIPT_POLICY: Final = HEADERS["Content-Security-Policy"] + "; script-src 'self'"
_TEMPLATES: Final = Path(__file__).parents[1] / "templates"


def page(request: Request, template: str, /, status: int = 200, **values: Any) -> HTMLResponse:
    """A page. Templates extend ``base.html``, and know ``request`` and ``person`` (``None`` before somebody signs in)."""
    person: Person | None = getattr(request.state, "person", None)
    rendered = _ENVIRONMENT.get_template(template).render(
        values,
        request=request,
        person=person,
        places=[] if person is None else places_of(person),
    )
    return HTMLResponse(rendered, status, HEADERS)


def problem_page(request: Request, error: ProblemError) -> HTMLResponse:
    """A problem, for people."""
    found = page(request, "problem.html", error.problem.status, problem=error.problem, detail=error.detail)
    found.headers.update(error.headers or {})
    return found


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_null_translations(newstyle=True)  # type: ignore[attr-defined]  # the extension adds it
    environment.globals.update(
        money=formatting.money,
        percent=formatting.percent,
        cell=formatting.cell,
        grouped=words.grouped,
        heading=words.heading,
        title=words.title,
        name=words.name,
        moment=words.moment,
        sizes={size: (s.width, s.height) for size, s in SIZES.items()},
        form_token=_form_token,
        form_token_value=_form_token_value,
    )
    return environment


@pass_context
def _form_token(context: Context, path: str) -> Markup:
    """The hidden field of a form that posts to this path."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(forms.FIELD, _form_token_value(context, path))


@pass_context
def _form_token_value(context: Context, path: str) -> str:
    request: Request = context["request"]
    secret: str = request.state.form_secret
    return forms.form_token(secret, path, accounts_of(request).clock())


_ENVIRONMENT: Final = _environment()
