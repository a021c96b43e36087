"""Both sides of a discrepancy as they are now: the movements in our books, the lines of statements."""

from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from admin.clearing.pages.words import Amounts, amounts
from billing.ledger.accounts import clearing as clearing_account
from storage.clearing.discrepancies import Discrepancy
from storage.clearing.evidence import Line, lines_of
from storage.journal.timeline import Posted, postings_of

#: Lines of statements on a page.
LINES: Final = 50


class Movement(NamedTuple):
    """A posting of the payment on the provider's account. ``amount``: minor units, positive: the provider owes us more."""

    posted: Posted
    amount: int


class Sides(NamedTuple):
    """What the statement and the books have of it."""

    amounts: Amounts
    lines: list[Line]
    movements: list[Movement]


async def read_sides(connection: AsyncConnection, found: Discrepancy) -> Sides:
    """Both sides of the discrepancy."""
    lines = await lines_of(connection, found, LINES)
    postings = [] if found.payment_id is None else await postings_of(connection, found.payment_id)
    return Sides(amounts(found), lines, _movements(found, postings))


def _movements(found: Discrepancy, postings: list[Posted]) -> list[Movement]:
    """The payment's movements at the provider: of the discrepancy's operation, where it has one."""
    account = str(clearing_account(found.provider))
    moved = [(posted, sum(amount for code, amount in posted.lines if code == account)) for posted in postings]
    return [
        Movement(posted, amount)
        for posted, amount in moved
        if amount and (found.operation_id is None or posted.cause.id == str(found.operation_id))
    ]
