"""Render pages: one environment, one look, the same headers for all."""

from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from admin import formatting, headings, language
from admin.pages.navigation import places_of
from admin.people import forms
from admin.people.guard import accounts_of
from admin.people.person import Person
from admin.retelling import retold, words_of
from analytics.chart import SIZES
from runtime.clock import utc_now
from runtime.http.problems import ProblemError

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: No scripts, nothing from other origins.
HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
#: Of the pages that ask for a passkey: scripts that are files of ours, and nothing that they could fetch.
SCRIPT_POLICY: Final = f"{_POLICY}; script-src 'self'"
#: For pages whose parts follow what happens, by htmx.
_LIVE: Final = {"Content-Security-Policy": f"{SCRIPT_POLICY}; connect-src 'self'"}
_TEMPLATES: Final = Path(__file__).parents[1] / "templates"


def page(request: Request, template: str, /, status: int = 200, *, live: bool = False, **values: Any) -> HTMLResponse:
    """A page. Templates extend ``base.html``, and know ``request``, ``language``, ``zone`` and ``person`` (``None`` before
    somebody signs in). ``live``: the page may follow what happens, by htmx."""
    person: Person | None = getattr(request.state, "person", None)
    rendered = _ENVIRONMENT.get_template(template).render(
        values,
        request=request,
        person=person,
        live=live,
        language=language.reader().language,
        zone=formatting.zone_name(utc_now()),
        places=[] if person is None else places_of(person),
    )
    return HTMLResponse(rendered, status, HEADERS | _LIVE if live else HEADERS)


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
    environment.install_gettext_callables(  # type: ignore[attr-defined]  # the extension adds it
        language.gettext, language.ngettext, newstyle=True, pgettext=language.pgettext
    )
    environment.globals.update(
        money=formatting.money,
        percent=formatting.percent,
        cell=formatting.cell,
        grouped=formatting.grouped,
        rows_of=formatting.rows,
        sum_of=formatting.sum_of,
        day=formatting.day,
        weekday=formatting.weekday,
        local=formatting.local,
        reason_words=formatting.reason,
        moment=formatting.moment,
        moment_utc=formatting.moment_utc,
        heading=headings.heading,
        title=headings.title,
        name=headings.name,
        retold=retold,
        words_of=words_of,
        languages=language.LANGUAGES,
        zones=language.ZONES,
        now=utc_now,
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
