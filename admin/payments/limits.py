"""When one person is not enough. Pure."""

from datetime import timedelta
from typing import Final

from admin.payments.actions import Action
from admin.people.permissions import Permission
from admin.people.person import Person
from billing.money import Money
from runtime.settings import AdminSettings

#: What one person gives back within it is added up: splitting an amount does not help.
DAY: Final = timedelta(hours=24)
#: How long a request waits for its decision.
EXPIRES_AFTER: Final = timedelta(hours=24)


def limit_of(settings: AdminSettings, person: Person, currency: str) -> int:
    """What the person may give back at once without a second one, minor units."""
    above = settings.admin_approval_above.get(currency, 0)
    if person.may(Permission.REFUND_ABOVE):
        return above
    return min(settings.admin_support_limit.get(currency, 0), above)


def needs_second_person(
    settings: AdminSettings, person: Person, action: Action, amount: int, currency: str, today: int
) -> str | None:
    """Why a second person has to approve; ``None`` where nobody has to. ``amount``: what the action gives back;
    ``today``: what the person gave back within a day, this amount included; minor units."""
    if action.two_people:
        return "corrections are always made by two people"
    return above_limits(settings, person, amount, currency, today) if action.gives_back else None


def above_limits(settings: AdminSettings, person: Person, amount: int, currency: str, today: int) -> str | None:
    """Why the person may not give back ``amount`` alone; ``None``: they may. ``today``: as above."""
    alone = settings.admin_support_limit.get(currency, 0)
    if not person.may(Permission.REFUND_ABOVE) and amount > alone:
        return f"{Money(amount, currency)} is above {Money(alone, currency)}, the limit of the role"
    above = settings.admin_approval_above.get(currency, 0)
    if amount > above:
        return f"{Money(amount, currency)} is above {Money(above, currency)}, the limit of one person"
    daily = settings.admin_daily_above.get(currency, 0)
    if today > daily:
        return f"with it one person gives back {Money(today, currency)} within 24 hours, more than {Money(daily, currency)}"
    return None
