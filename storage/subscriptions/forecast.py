"""What will be due: charges by business date, provider and currency, if every subscription renews."""

from datetime import date
from typing import Final

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.subscriptions.hours import LATEST_HOUR

#: Dates after the first that a forecast covers.
DATES: Final = 40


class DueOn(msgspec.Struct, frozen=True):
    """Charges of a provider in a currency on a business date. ``amount``: their sum, minor units."""

    date: date
    provider: str
    currency: str
    number: int
    amount: int


# The next charge of a subscription is its appointment, or follows from the end of its period: NOTICE stands for all that
# comes before it. A period that ends in the evening is charged the next morning (billing/subscriptions/hours.py). After
# that a charge follows every interval of the price.
_CHARGED = """
    WITH charged AS (
        SELECT s.provider, s.currency, s.amount, p.terms -> 'cadence' AS cadence,
               CASE WHEN s.next_action IN ('CHARGE', 'RETRY') THEN s.next_action_at AT TIME ZONE :zone
                    ELSE (s.period_end_at AT TIME ZONE :zone) + make_interval(hours => 24 - :latest_hour) END AS local
        FROM subscriptions s LEFT JOIN prices p ON p.id = s.price_id
        WHERE s.clock_id IS NULL AND (
            s.next_action IN ('CHARGE', 'RETRY') OR (s.next_action = 'NOTICE' AND s.status = 'ACTIVE')
        )
    )
"""
_FORECAST = text(
    _CHARGED  # noqa: S608
    + """
    SELECT due.local::date, provider, currency, count(*), sum(amount)
    FROM charged, generate_series(
        greatest(charged.local, CAST(:today AS timestamp)),
        greatest(charged.local, CAST(:today AS timestamp) + make_interval(days => :dates)),
        coalesce(((cadence ->> 'count') || ' ' || (cadence ->> 'unit'))::interval, interval '100 years')
    ) AS due (local)
    WHERE due.local < CAST(:today AS timestamp) + make_interval(days => :dates)
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    """
)
_LEFT_OVER = text(
    _CHARGED + "SELECT count(*) FROM charged WHERE local < CAST(:day AS timestamp) + interval '1 day'"  # noqa: S608
)


async def forecast(connection: AsyncConnection, zone: str, today: date, dates: int = DATES) -> list[DueOn]:
    """What is due today, what is overdue included, and on the ``dates`` after it. Dates are of ``zone``."""
    values = {"zone": zone, "today": today, "dates": dates + 1, "latest_hour": LATEST_HOUR}
    rows = await connection.execute(_FORECAST, values)
    return [DueOn(day, provider, currency, number, int(amount)) for day, provider, currency, number, amount in rows]


async def left_over(connection: AsyncConnection, zone: str, day: date) -> int:
    """Charges that were due on ``day``, a date of ``zone``, or before it, and are due still."""
    values = {"zone": zone, "day": day, "latest_hour": LATEST_HOUR}
    return int((await connection.execute(_LEFT_OVER, values)).scalar_one())
