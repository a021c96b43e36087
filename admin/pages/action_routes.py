"""The routes of an action on something: an empty form, its preview, its confirmation."""

from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from admin.people.guard import require
from admin.people.permissions import Permission
from admin.people.person import Person


class Permitted(Protocol):
    """An action: its name in the path, and who may take it."""

    @property
    def name(self) -> str: ...

    @property
    def permission(self) -> Permission: ...


class ActionPages(Protocol):
    """The handlers of all actions on one kind of thing."""

    async def form(self, request: Request, id: UUID, action: Any, person: Person, /) -> Response: ...

    async def preview(self, request: Request, id: UUID, action: Any, person: Person, /) -> Response: ...

    async def confirm(self, request: Request, id: UUID, action: Any, person: Person, /) -> Response: ...


def add_action(router: APIRouter, path: str, parameter: str, pages: ActionPages, action: Permitted) -> None:
    """Add the routes of an action below ``path``, whose ``parameter`` is the id of what it acts on."""
    Acting = Annotated[Person, require(action.permission)]  # noqa: N806 - a type of this action's routes
    Id = Annotated[UUID, Path(alias=parameter)]  # noqa: N806 - likewise

    async def form(request: Request, id: Id, person: Acting) -> Response:
        return await pages.form(request, id, action, person)

    async def previewed(request: Request, id: Id, person: Acting) -> Response:
        return await pages.preview(request, id, action, person)

    async def confirmed(request: Request, id: Id, person: Acting) -> Response:
        return await pages.confirm(request, id, action, person)

    below = f"{path}/{{{parameter}}}/{action.name}"
    router.add_api_route(below, form, methods=["GET"])
    router.add_api_route(f"{below}/preview", previewed, methods=["POST"])
    router.add_api_route(f"{below}/confirm", confirmed, methods=["POST"])
