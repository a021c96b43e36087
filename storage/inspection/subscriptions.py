"""The auditor's queries about subscriptions: time, money and methods. They share nothing with the code that writes them."""

from typing import Final

#: Kind of violation → query for ``(id, detail)``. Amounts are minor units, kept money is what was captured and neither
#: given back nor is about to be.
SUBSCRIPTIONS: Final[dict[str, str]] = {
    "subscription_overdue": """
        SELECT s.id, format('%s is due since %s', s.next_action, s.next_action_at) FROM subscriptions s
        WHERE s.clock_id IS NULL AND s.next_action_at < now() - interval '2 hours'
          AND NOT EXISTS (
              SELECT FROM provider_switches w WHERE w.provider = s.provider AND NOT w.enabled
              AND w.id = (SELECT max(id) FROM provider_switches l WHERE l.provider = s.provider)
          )
    """,
    "period_overlap": """
        SELECT subscription_id, format('period %s begins at %s, before the one before it ends at %s', number, start_at,
                                       earlier)
        FROM (
            SELECT subscription_id, number, start_at,
                   lag(end_at) OVER (PARTITION BY subscription_id ORDER BY start_at) AS earlier
            FROM subscription_periods WHERE status IN ('PAID', 'CUT')
        ) AS sold WHERE start_at < earlier
    """,
    "period_paid_twice": """
        SELECT a.subscription_id, format('period %s is paid by %s payments', a.period, count(*))
        FROM renewal_attempts a JOIN payments p ON p.id = a.payment_id
        WHERE p.captured > p.refunded + p.refund_pending
        GROUP BY a.subscription_id, a.period HAVING count(*) > 1
    """,
    "period_unfounded": """
        SELECT t.subscription_id, format('period %s is %s: %s of %s captured by %s', t.number, t.status,
                                         coalesce(p.captured, 0), t.amount, t.paid_by)
        FROM subscription_periods t LEFT JOIN payments p ON p.id = t.paid_by
        WHERE t.status IN ('PAID', 'CUT') AND coalesce(p.captured, 0) <> t.amount
    """,
    "payment_without_period": """
        SELECT p.id, format('%s of %s kept, and no period is sold for it', p.captured - p.refunded, p.amount)
        FROM payments p JOIN orders o ON o.id = p.order_id
        WHERE o.subscription IS NOT NULL AND p.captured > p.refunded + p.refund_pending
          AND NOT EXISTS (SELECT FROM subscription_periods t WHERE t.paid_by = p.id AND t.status IN ('PAID', 'CUT'))
    """,
    "charge_not_as_told": """
        SELECT a.payment_id, format('%s %s charged, the price is %s %s', p.amount, p.currency, c.amount, c.currency)
        FROM renewal_attempts a
        JOIN payments p ON p.id = a.payment_id
        JOIN subscription_periods t ON t.paid_by = a.payment_id
        JOIN prices c ON c.id = t.price_id
        WHERE (p.amount, p.currency) <> (c.amount, c.currency) OR (p.amount, p.currency) <> (a.amount, a.currency)
    """,
    "charged_after_end": """
        SELECT a.payment_id, format('asked for at %s, the subscription ended at %s', a.requested_at,
                                    s.state->'ended'->>'at')
        FROM renewal_attempts a JOIN subscriptions s ON s.id = a.subscription_id
        WHERE s.status = 'ENDED' AND a.requested_at > (s.state->'ended'->>'at')::timestamptz
    """,
    # By the payment's time: the attempt's is a test clock's where the subscription has one, a removal never is.
    "charged_removed_method": """
        SELECT a.payment_id, format('the payment began at %s, the method was removed at %s', p.created_at, m.status_at)
        FROM renewal_attempts a
        JOIN saved_methods m ON m.id = a.method_id
        JOIN payments p ON p.id = a.payment_id
        WHERE m.status = 'REMOVED' AND p.captured > 0 AND p.created_at > m.status_at
    """,
    # Faults of ours use up no try, and what was not sent is none.
    "attempts_over_budget": """
        SELECT method_id, format('%s charges within 30 days until %s', tries, requested_at)
        FROM (
            SELECT method_id, requested_at,
                   count(*) OVER (PARTITION BY method_id ORDER BY requested_at
                                  RANGE BETWEEN interval '30 days' PRECEDING AND CURRENT ROW) AS tries
            FROM renewal_attempts WHERE method_id IS NOT NULL AND trigger IN ('SCHEDULE', 'RETRY') AND state <> 'PAID'
              AND decline IS DISTINCT FROM 'OURS'
              AND coalesce(reason, '') NOT IN ('method_removed', 'method_dead', 'too_late', 'withdrawn')
        ) AS made WHERE tries > 9
    """,
    "access_beyond": """
        SELECT id, format('%s with access until %s, paid until %s', status, access_until, period_end_at)
        FROM subscriptions
        WHERE access_until IS NOT NULL AND clock_id IS NULL
          AND (status NOT IN ('ACTIVE', 'PAST_DUE')
               OR access_until > greatest(period_end_at + interval '8 days', now() + interval '25 hours'))
    """,
    "stray_not_refunded": """
        SELECT p.id, format('%s: %s of %s not given back', a.state, p.captured - p.refunded - p.refund_pending, p.captured)
        FROM renewal_attempts a JOIN payments p ON p.id = a.payment_id
        WHERE a.state IN ('STRAY', 'WITHDRAWN') AND p.captured > p.refunded + p.refund_pending
    """,
    "attempt_state_mismatch": """
        SELECT p.id, format('the attempt is %s, the payment %s', a.state, p.status)
        FROM renewal_attempts a JOIN payments p ON p.id = a.payment_id
        WHERE (a.state = 'PAID' AND p.captured = 0)
           OR (a.state = 'FAILED' AND p.captured > p.refunded + p.refund_pending)
           OR (a.state IN ('REQUESTED', 'PENDING', 'UNKNOWN', 'NOT_SENT') AND p.status NOT IN ('PENDING', 'AUTHORIZED'))
    """,
    "subscription_unjournalled": """
        WITH last AS (
            SELECT payment_id AS id, max(version) AS version FROM journal
            WHERE topic = 'billing.subscriptions.inbox' GROUP BY 1
        )
        SELECT s.id, format('version %s, the journal ends at %s', s.version, coalesce(l.version::text, 'nothing'))
        FROM subscriptions s LEFT JOIN last l ON l.id = s.id
        WHERE l.version IS DISTINCT FROM s.version
          AND s.updated_at >= coalesce((SELECT min(recorded_at) FROM journal), '-infinity')
    """,
}
