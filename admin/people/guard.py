"""Who may pass: the person of a request, and the permission that its route asks for."""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from fastapi import Depends
from starlette.requests import Request

from admin.language import gettext
from admin.people import cookies
from admin.people.accounts import Accounts
from admin.people.permissions import Permission
from admin.people.person import Person
from admin.problems import Problem
from admin.trail.trail import Trail
from runtime.http.problems import ProblemError
from storage.staff.trail import Kind

SIGN_IN: Final = "/sign-in"
CONFIRM: Final = "/confirm"


class SentElsewhere(Exception):
    """The person has to go to another page first."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


@dataclass(frozen=True)
class Guard:
    """Admits people with the permission to a route. ``fresh``: the second factor was shown within the last minutes."""

    permission: Permission
    fresh: bool = False

    async def __call__(self, request: Request) -> Person:
        """The person. Raises :class:`SentElsewhere` to sign in or to show the second factor again, and
        :class:`ProblemError` 403, which is on the trail."""
        person = await person_of(request)
        if person is None:
            raise SentElsewhere(f"{SIGN_IN}?next={quote(_page_of(request))}")
        if not person.may(self.permission):
            route = f"{request.method} {request.scope['route'].path}"
            await trail_of(request).note(person, Kind.REFUSED, "route", route, permission=self.permission)
            values = {"role": gettext(person.role), "permission": gettext(self.permission.label)}
            said = gettext("A %(role)s may not: %(permission)s.", **values)
            raise ProblemError(Problem.NOT_PERMITTED, said)
        if self.fresh and not person.is_fresh(accounts_of(request).clock()):
            raise SentElsewhere(f"{CONFIRM}?next={quote(_page_of(request))}")
        return person


def require(permission: Permission, *, fresh: bool = False) -> Any:
    """A dependency of a page or an action: the person, who has the permission. As :class:`Guard` says."""
    return Depends(Guard(permission, fresh))


async def person_of(request: Request) -> Person | None:
    """Who sent the request; looked up once."""
    if not hasattr(request.state, "person"):
        token = cookies.read(request, cookies.SESSION)
        accounts, address = accounts_of(request), address_of(request)
        found = None if token is None else await accounts.person(token, address, by_hand=not is_by_script(request))
        request.state.person = found
    person: Person | None = request.state.person
    return person


def is_by_script(request: Request) -> bool:
    """Whether htmx asks by itself; a page that is left open must not keep its session open."""
    return "HX-Request" in request.headers


def accounts_of(request: Request) -> Accounts:
    """The accounts of the application."""
    accounts: Accounts = request.app.state.accounts
    return accounts


def trail_of(request: Request) -> Trail:
    """The trail of the application."""
    trail: Trail = request.app.state.trail
    return trail


def address_of(request: Request) -> str:
    """Where the request came from."""
    return "unknown" if request.client is None else request.client.host


def _page_of(request: Request) -> str:
    """The page to come back to: an action is no page, so the one it was sent from."""
    if request.method == "GET":
        return request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return "/"
