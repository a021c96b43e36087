"""Answers that all ways of signing in have in common."""

from starlette.requests import Request
from starlette.responses import Response

from admin.language import gettext
from admin.pages import page, see_other
from admin.people import cookies
from admin.people.entrance import Throttled


def entered(request: Request, url: str, token: str) -> Response:
    """Signed in: on to this page, with the session's cookie."""
    response = see_other(url)
    cookies.write(response, request, cookies.SESSION, token)
    cookies.remove(response, request, cookies.FORM)
    return response


def refused(request: Request, status: int, wrong: str, again: str) -> Response:
    """A page of its own, where there is no form to show it on. ``again``: where to begin again."""
    return page(request, "people/refused.html", status, wrong=wrong, again=again)


def throttled_page(request: Request, throttled: Throttled, again: str) -> Response:
    """The same, after too many attempts."""
    return with_pause(refused(request, 429, later(throttled), again), throttled)


def later(throttled: Throttled) -> str:
    """What to do after too many attempts, for people."""
    minutes = -(-throttled.wait_s // 60)
    return gettext("There were too many failed attempts. Try again in %(minutes)s min.", minutes=minutes)


def with_pause(response: Response, throttled: Throttled) -> Response:
    """The answer, which says to programs when to come again."""
    response.headers["Retry-After"] = str(throttled.wait_s)
    return response


def local(url: str) -> str:
    """A page of ours: what leads elsewhere is left out."""
    return url if url.startswith("/") and not url.startswith(("//", "/\\")) else "/"


def agent_of(request: Request) -> str:
    """What the browser calls itself."""
    return request.headers.get("user-agent", "")


def query_of(request: Request) -> str:
    """The query of the request with its question mark, for the next step's address."""
    return f"?{request.url.query}" if request.url.query else ""
