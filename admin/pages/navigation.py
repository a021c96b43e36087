"""The pages that the navigation leads to. A page is listed when it is whole."""

from typing import Final, NamedTuple

from admin.people.permissions import Permission
from admin.people.person import Person


class Place(NamedTuple):
    """A page, for those with the permission. ``title``: a text to translate."""

    title: str
    url: str
    permission: Permission


NAVIGATION: Final = (
    Place("Monitor", "/monitor", Permission.MONITOR),
    Place("Payments", "/payments", Permission.READ),
    Place("Approvals", "/approvals", Permission.APPROVE),
    Place("Bulk", "/bulk", Permission.BULK),
    Place("Clearing", "/clearing", Permission.CLEARING),
    Place("Discrepancies", "/discrepancies", Permission.DISCREPANCIES),
    Place("Reports", "/reports", Permission.REPORTS),
    Place("Providers", "/providers", Permission.PROVIDERS),
    Place("Dead letters", "/letters", Permission.LETTERS),
    Place("Trail", "/trail", Permission.TRAIL),
    Place("Staff", "/staff", Permission.STAFF),
)


def places_of(person: Person) -> list[Place]:
    """Where the person may go."""
    return [place for place in NAVIGATION if person.may(place.permission)]
