"""People on the staff, as a test meets them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import aiohttp
import pyotp

from admin.people.authenticator import secret_of_link, shown
from admin.people.cookies import SESSION
from backoffice import staff
from backoffice.operators import Operator
from billing.access.roles import Role
from tests.unit.admin.conftest import World

OPERATOR: Final = Operator("root", "the first day at work")
PASSWORD: Final = "four words of a password"


class Hours:
    """The clock of people's sessions, moved by the test."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **time: int) -> None:
        self.now += timedelta(**time)


@dataclass
class Colleague:
    """Somebody with an account. ``link``: the path with which they chose their password."""

    world: World
    hours: Hours
    email: str
    link: str

    @property
    def code(self) -> str:
        """What their authenticator shows now."""
        return pyotp.TOTP(shown(secret_of_link(self.link.rpartition("/")[2]))).at(self.hours.now)

    async def accept(self, **fields: str) -> aiohttp.ClientResponse:
        """Choose a password and set up the authenticator: then signed in."""
        form = {"password": PASSWORD, "again": PASSWORD, "code": self.code} | fields
        return await self.world.post(self.link, form)

    async def sign_in(self, **fields: str) -> aiohttp.ClientResponse:
        """Sign in, with a new code."""
        form = {"email": self.email, "password": PASSWORD, "code": self.code} | fields
        return await self.world.post("/sign-in", form)

    def leave(self) -> str:
        """Forget the cookies, as another browser would; returns that of the session."""
        held = {cookie.key: cookie.value for cookie in self.world.http.cookie_jar}
        self.world.http.cookie_jar.clear()
        return held.get(SESSION, "")


async def hired(world: World, hours: Hours, role: Role, name: str = "ann") -> Colleague:
    """Somebody new in this role; they have not chosen a password yet."""
    email = f"{name}@cinema.example"
    issued = await staff.add(world.settings, OPERATOR, email, name.title(), role)
    return Colleague(world, hours, email, issued.url.removeprefix(world.settings.admin_url))


async def at_work(world: World, hours: Hours, role: Role, name: str = "ann", **fields: Any) -> Colleague:
    """Somebody in this role, signed in."""
    one = await hired(world, hours, role, name)
    answer = await one.accept(**fields)
    assert answer.status == 303, await answer.text()
    return one
