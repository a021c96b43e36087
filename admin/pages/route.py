"""The route of a page or of a form's action: who may pass, where forms come from, problems shown as pages."""

import secrets
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final
from urllib.parse import parse_qs

import structlog
from anyio import to_thread
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from admin.language import Reader, reader_of, write_for
from admin.pages.multipart import MULTIPART, File, read_multipart
from admin.pages.rendering import HEADERS, problem_page
from admin.people import cookies, forms
from admin.people.guard import Guard, SentElsewhere, accounts_of, is_by_script, person_of, trail_of
from admin.people.person import Person
from admin.problems import Problem
from runtime.http.bodies import BodyTooLarge, read_body
from runtime.http.problems import ProblemError
from runtime.postgres import POSTGRES_ERRORS
from storage.staff.trail import Kind

log = structlog.get_logger(__name__)

SEE_OTHER: Final = 303
#: Bytes and fields of a form.
FORM_LIMIT: Final = 64 * 1024
FIELDS_MAX: Final = 200
_SAFE: Final = ("GET", "HEAD")
_URLENCODED: Final = "application/x-www-form-urlencoded"


class Form(dict[str, list[str]]):
    """What a form has sent, by field. ``file``: the one that it brought, where its route takes one."""

    file: File | None = None

    def one(self, name: str) -> str:
        """The field's first value without white space around it; empty if it is missing."""
        return self.get(name, [""])[0].strip()

    def exact(self, name: str) -> str:
        """The field's first value as it was typed."""
        return self.get(name, [""])[0]


class PageRoute(APIRoute):
    """Asks every request for a person with the route's permission, and every form for our token."""

    #: Whether people who are not signed in may pass.
    is_open = False
    #: Bytes of a file that a form of this route may bring; 0: none.
    file_limit = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        assert self.is_open or guard_of(self) is not None, f"{self.path}: a page says who may see it: require(...)"

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def respond(request: Request) -> Response:
            write_for(_reader(request, None))
            try:
                return await self._respond(request, handle)
            except SentElsewhere as elsewhere:
                return reload_page() if is_by_script(request) else see_other(elsewhere.url)
            except ProblemError as error:
                return problem_page(request, error)
            except RequestValidationError as error:
                in_path = any(fault["loc"][0] == "path" for fault in error.errors())
                problem = Problem.NOT_FOUND if in_path else Problem.INVALID_PARAMETER
                return problem_page(request, ProblemError(problem))
            except ClientDisconnect:
                return Response(status_code=400)  # nobody reads it
            except (*POSTGRES_ERRORS, SQLAlchemyError) as error:
                log.warning("page not answered: Postgres is unavailable", path=self.path, error=repr(error))
                return problem_page(request, ProblemError(Problem.UNAVAILABLE))

        return respond

    async def _respond(self, request: Request, handle: Callable[[Request], Coroutine[Any, Any, Response]]) -> Response:
        person = None if self.is_open and not cookies.read(request, cookies.SESSION) else await person_of(request)
        write_for(_reader(request, person))
        before = cookies.read(request, cookies.FORM)
        request.state.form_secret = person.token if person is not None else before or secrets.token_urlsafe(32)
        if request.method not in _SAFE:
            if person is None and not self.is_open:
                raise SentElsewhere("/sign-in")
            await self._check_form(request)
        response = await handle(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if person is None and before is None and request.method in _SAFE:
            cookies.write(response, request, cookies.FORM, request.state.form_secret)
        return response

    async def _check_form(self, request: Request) -> None:
        """Read the form. Raises :class:`ProblemError` 403 unless it is from a page of ours, for this person."""
        guard = guard_of(self)
        if self.file_limit and guard is not None:
            await guard(request)  # before megabytes are read
        request.state.form = form = await _read(request, self.file_limit)
        token = form.one(forms.FIELD) or request.query_params.get(forms.FIELD, "")
        now = accounts_of(request).clock()
        if forms.is_from_here(request) and forms.is_genuine(request.state.form_secret, request.url.path, token, now):
            return
        person = await person_of(request)
        log.warning("form refused", path=self.path, address=None if request.client is None else request.client.host)
        if person is not None:
            await trail_of(request).note(person, Kind.REFUSED, "form", f"{request.method} {self.path}")
        raise ProblemError(Problem.FORM_REFUSED)


class UploadRoute(PageRoute):
    """For a form that brings a file. The limit is well above that of any file: a browser shows no answer if its request is
    not read to the end, and a file that is too large is refused in words."""

    file_limit = 16 * 1024 * 1024


class OpenRoute(PageRoute):
    """For people who are not signed in yet."""

    is_open = True


def guard_of(route: APIRoute) -> Guard | None:
    """Whom the route admits."""
    return next((d.call for d in _dependants(route.dependant) if isinstance(d.call, Guard)), None)


async def read_form(request: Request) -> Form:
    """What the form has sent; its token was checked."""
    form: Form = request.state.form
    return form


def reload_page() -> Response:
    """Let htmx read the whole page again."""
    return Response(status_code=204, headers={"HX-Refresh": "true"})


def see_other(url: str) -> RedirectResponse:
    """Go to this page."""
    return RedirectResponse(url, SEE_OTHER)


def _reader(request: Request, person: Person | None) -> Reader:
    """Who reads the answer: as the person prefers it, else as the browser asks, in the zone of the business."""
    header, default = request.headers.get("accept-language", ""), request.app.state.business_zone
    if person is None:
        return reader_of(None, None, header, default)
    return reader_of(person.language, person.zone, header, default)


async def _read(request: Request, file_limit: int) -> Form:
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip()
    if kind != _URLENCODED and not (file_limit and kind == MULTIPART):
        return Form()
    try:
        body = await read_body(request, FORM_LIMIT + file_limit)
        if kind == MULTIPART:
            fields, file = await to_thread.run_sync(read_multipart, content_type, body)
            form = Form(fields)
            form.file = file
            return form
        return Form(parse_qs(body.decode("utf-8", "replace"), max_num_fields=FIELDS_MAX))
    except BodyTooLarge as error:
        raise ProblemError(Problem.FORM_TOO_LARGE, headers={"Connection": "close"}) from error
    except ValueError as error:  # more fields than a form of ours has
        raise ProblemError(Problem.BAD_REQUEST) from error


def _dependants(dependant: Dependant) -> Iterator[Dependant]:
    for child in dependant.dependencies:
        yield child
        yield from _dependants(child)
