"""Subscriptions of a year for the benchmark of reports, with their changes, periods and attempts, made by ClickHouse itself."""

from typing import Final

#: Subscriptions per insert: about as many rows as a chunk of payments has.
CHUNK: Final = 20_000
#: They begin on these many days before today, and are paid every 30 days.
DAYS: Final = 365

#: Of five subscriptions one is cancelled after some periods; of eight renewals one is declined at first and paid a day later.
#: Each period is paid by one of the generated payments.
_SUBSCRIPTION: Final = """
    number,
    toUUID(concat('00000000-0000-4000-9000-', leftPad(toString(number), 12, '0'))) AS id,
    toDateTime64(toDate({today:Date}), 6, 'UTC') - toIntervalSecond(cityHash64(number) % {seconds:UInt32}) AS begun_at,
    if(number % 3 = 0, 'KZT', 'RUB') AS money,
    toInt64(if(number % 2 = 0, 39900, 59900)) AS price,
    1 + intDiv(dateDiff('second', begun_at, toDateTime64(toDate({today:Date}), 6, 'UTC')), 30 * 86400) AS possible,
    toUInt32(if(number % 5 = 0, least(possible, 1 + cityHash64(number, 'end') % 12), possible)) AS sold,
    sold < possible AS is_over,
    arrayFlatten(arrayMap(
        n -> arrayMap(try -> (n, try, try = 2 OR n = 1 OR cityHash64(number, n) % 8 > 0),
                      range(1, 2 + toUInt32(n > 1 AND cityHash64(number, n) % 8 = 0))),
        range(1, sold + 1)
    )) AS tries,
    arrayMap(
        n -> toUUID(concat('00000000-0000-4000-8000-', leftPad(toString((number * 12 + n) % {payments:UInt64}), 12, '0'))),
        range(1, sold + 1)
    ) AS paid_by
FROM numbers({start:UInt64}, {count:UInt64})
"""
STEPS: Final[dict[str, str]] = {
    "subscription_versions": """
        INSERT INTO subscription_versions (subscription_id, version, status, life, client_id, customer_id, plan, plan_group,
            price_id, amount, currency, interval_unit, interval_count, arr, provider, period, period_end_at, due_period,
            ended_at, end_reason, created_at, updated_at, stream_partition, stream_offset)
        SELECT id, 1000, if(is_over, 'ENDED', 'ACTIVE'), 1, 'shop', toString(number), 'cinema', 'cinema', id, price, money,
            'DAY', 30, if(is_over, 0, 12 * price), 'first', sold, begun_at + toIntervalDay(30 * sold), sold + 1,
            if(is_over, begun_at + toIntervalDay(30 * sold), NULL), if(is_over, 'cancelled', ''), begun_at, begun_at, 0, 0
        FROM (SELECT {subscription})
    """,
    "subscription_period_versions": """
        INSERT INTO subscription_period_versions (subscription_id, number, version, life, client_id, customer_id, plan,
            price_id, amount, currency, status, paid_by, start_at, end_at, created_at)
        SELECT id, n, 1000, 1, 'shop', toString(number), 'cinema', id, price, money, 'PAID', paid_by[n],
            begun_at + toIntervalDay(30 * (n - 1)), begun_at + toIntervalDay(30 * n), begun_at
        FROM (SELECT {subscription}) ARRAY JOIN range(1, sold + 1) AS n
    """,
    "renewal_attempt_versions": """
        INSERT INTO renewal_attempt_versions (payment_id, subscription_id, version, client_id, customer_id, plan, period,
            number, purpose, trigger, state, decline, reason, amount, currency, provider, requested_at, ended_at)
        SELECT if(try.3, paid_by[try.1], reinterpretAsUUID(concat(reinterpretAsString(sipHash64(id, try.1)),
                reinterpretAsString(try.1)))),
            id, 1000, 'shop', toString(number), 'cinema', try.1, try.2, if(try.1 = 1, 'FIRST', 'RENEWAL'),
            if(try.2 = 1, 'SCHEDULE', 'RETRY'), if(try.3, 'PAID', 'FAILED'), if(try.3, '', 'SOFT'),
            if(try.3, '', 'insufficient_funds'), price, money, 'first', tried_at, tried_at
        FROM (SELECT *, try, begun_at + toIntervalDay(30 * (try.1 - 1) + try.2 - 1) AS tried_at
              FROM (SELECT {subscription}) ARRAY JOIN tries AS try)
    """,
    "subscription_change_versions": """
        INSERT INTO subscription_change_versions (subscription_id, version, client_id, customer_id, life, plan, price_id,
            currency, interval_unit, interval_count, status_before, status, movement, arr_before, arr_after, end_reason,
            changed_at, stream_partition, stream_offset)
        SELECT id, 10 * change.1 + change.2, 'shop', toString(number), 1, 'cinema', id, money, 'DAY', 30,
            multiIf(change.1 = 1, 'INCOMPLETE', change.2 = 2, 'PAST_DUE', 'ACTIVE'),
            multiIf(change.1 > sold, 'ENDED', change.3, 'ACTIVE', 'PAST_DUE'),
            multiIf(change.1 = 1, 'NEW', change.1 > sold, 'CHURN_VOLUNTARY', ''),
            if(change.1 = 1, 0, 12 * price), if(change.1 > sold, 0, 12 * price), if(change.1 > sold, 'cancelled', ''),
            begun_at + toIntervalDay(30 * (change.1 - 1) + change.2 - 1), 0, 0
        FROM (SELECT {subscription})
        ARRAY JOIN arrayConcat(tries, if(is_over, [(sold + 1, 1, 1)], [])) AS change
    """,
}


def statement(step: str) -> str:
    """The statement, with parameters ``today``, ``seconds``, ``start``, ``count`` and ``payments``."""
    return step.replace("{subscription}", _SUBSCRIPTION)
