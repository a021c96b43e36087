"""Cleared days for the benchmark of reports, with discrepancies, payouts and lost callbacks, made by ClickHouse itself."""

from typing import Final

#: A discrepancy for so many operations.
OPERATIONS_PER_DISCREPANCY: Final = 1_000
#: Days before today that were cleared, at each of the two providers of the generated payments.
DAYS: Final = 90

_DAY: Final = """
    if(number % 2 = 0, 'first', 'second') AS provider,
    toDate({today:Date}) - 1 - intDiv(number, 2) AS business_date,
    intDiv({operations:UInt64}, 2 * {days:UInt32}) AS moved,
    toInt64(moved * 39900) AS taken
FROM numbers(2 * {days:UInt32})
"""
STEPS: Final[dict[str, str]] = {
    "clearing_day_versions": f"""
        INSERT INTO clearing_day_versions (provider, business_date, version, state, reason, lines, loose, booked, stated,
            changed_at, stream_partition, stream_offset)
        SELECT provider, business_date, 1, 'done', '', moved, 0, [('RUB', moved, taken)],
            [('charge', 'card', 'RUB', 'RUB', 0, moved, taken, taken, intDiv(taken, 40)),
             ('charge', 'qr', 'RUB', 'RUB', 1, 1, 39900, 39900, 280)], business_date + 1, 0, 0
        FROM (SELECT {_DAY})
    """,  # noqa: S608 - of constants
    "payout_versions": f"""
        INSERT INTO payout_versions (payout_line_id, version, provider, business_date, kind, payout_ref, line, currency,
            amount, fee, withdrawn, at, available_on, changed_at, stream_partition, stream_offset)
        SELECT generateUUIDv4(), 1, provider, business_date, 'payout', '', '', 'RUB', -taken, NULL, false, business_date,
            business_date + 1, business_date + 1, 0, 0
        FROM (SELECT {_DAY})
    """,  # noqa: S608 - of constants
    "lost_callback_versions": f"""
        INSERT INTO lost_callback_versions (provider, business_date, version, learnt_by, changed_at, stream_partition,
            stream_offset)
        SELECT provider, business_date, 1, map('inquiry', 1 + intDiv(moved, 1000)), business_date + 1, 0, 0
        FROM (SELECT {_DAY})
    """,  # noqa: S608 - of constants
    "discrepancy_versions": f"""
        INSERT INTO discrepancy_versions (discrepancy_id, version, provider, business_date, subject, kind, severity, state,
            resolution, owner, payment_id, operation_id, currency, ours, theirs, difference, asked, due_at, opened_at,
            closed_at, changed_at, stream_partition, stream_offset)
        SELECT generateUUIDv4(), 2, if(number % 2 = 0, 'first', 'second'), opened, concat('operation:', toString(number)),
            ['late', 'amount_differs', 'unknown_payment'][1 + number % 3], ['info', 'high', 'medium'][1 + number % 3],
            if(is_over, 'CLOSED', 'PERSON'), '', '', NULL, NULL, 'RUB', 39900, NULL, -39900, 1, NULL, opened,
            if(is_over, opened + 1, NULL), opened + 1, 0, 0
        FROM (
            SELECT number, toDate({{today:Date}}) - 1 - number % {{days:UInt32}} AS opened, number % 5 > 0 AS is_over
            FROM numbers(100 + intDiv({{operations:UInt64}}, {OPERATIONS_PER_DISCREPANCY}))
        )
    """,  # noqa: S608 - of constants
}
