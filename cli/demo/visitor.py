"""The person who looks at the demo's pages."""

from typing import Final

from backoffice import staff
from backoffice.operators import Operator
from billing.access.roles import Role
from runtime.settings import AdminSettings

VISITOR: Final = "visitor@cinema.example"
_DEMO: Final = Operator("demo", "somebody looks at the demo")


async def invite(settings: AdminSettings) -> str:
    """A link with which the visitor chooses a password: a viewer, or what they were made in the meantime. With an OpenID
    provider: the page to sign in."""
    is_known = any(person.email == VISITOR for person in await staff.list_all(settings))
    if is_known and settings.with_password is None:
        return (await staff.link(settings, _DEMO, VISITOR)).url
    issued = None if is_known else await staff.add(settings, _DEMO, VISITOR, "Visitor", Role.VIEWER)
    return f"{settings.admin_url}/sign-in" if issued is None else issued.url
