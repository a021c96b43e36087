"""The pages that the navigation leads to. A page is listed when it is whole."""

from typing import Final, NamedTuple

from admin.language import N_
from admin.people.permissions import Permission
from admin.people.person import Person


class Place(NamedTuple):
    """A page, for those with the permission. ``title``: a text to translate."""

    title: str
    url: str
    permission: Permission


NAVIGATION: Final = (
    Place(N_("Monitor"), "/monitor", Permission.MONITOR),
    Place(N_("Payments"), "/payments", Permission.READ),
    Place(N_("Approvals"), "/approvals", Permission.APPROVE),
    Place(N_("Bulk"), "/bulk", Permission.BULK),
    Place(N_("Clearing"), "/clearing", Permission.CLEARING),
    Place(N_("Discrepancies"), "/discrepancies", Permission.DISCREPANCIES),
    Place(N_("Reports"), "/reports", Permission.REPORTS),
    Place(N_("Providers"), "/providers", Permission.PROVIDERS),
    Place(N_("Dead letters"), "/letters", Permission.LETTERS),
    Place(N_("Trail"), "/trail", Permission.TRAIL),
    Place(N_("Staff"), "/staff", Permission.STAFF),
)


def places_of(person: Person) -> list[Place]:
    """Where the person may go."""
    return [place for place in NAVIGATION if person.may(place.permission)]
