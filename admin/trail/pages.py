"""The page of the trail."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from admin.pages import PageRoute, page
from admin.people.guard import require
from admin.people.permissions import Permission
from admin.people.person import Person
from admin.trail.trail import Trail

#: Entries on a page.
SHOWN: Final = 50


def trail_pages(trail: Trail) -> APIRouter:
    """The routes."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response)

    @router.get("/trail")
    async def show(
        request: Request,
        _person: Annotated[Person, require(Permission.TRAIL)],
        before: Annotated[int | None, Query(ge=1)] = None,
        staff: UUID | None = None,
    ) -> Response:
        found = await trail.latest(SHOWN + 1, before=before, staff_id=staff)
        return page(
            request, "trail/trail.html", entries=found[:SHOWN], more=len(found) > SHOWN, staff=staff, before=before
        )

    return router
