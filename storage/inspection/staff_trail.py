"""The auditor's queries about what the staff did: its trail, the commands of the panel, and notes. They share nothing with the
trigger that chains the trail, nor with the pages that send commands."""

from typing import Final

#: The journalled commands that people can send, with the words of the person in ``data``.
_COMMANDS: Final = """
    SELECT payment_id, message_id, type, recorded_at, refusal, version, message ->> 'source' AS source,
           message -> 'data' AS data, message -> 'data' ->> 'operator' AS operator
    FROM journal
    WHERE type IN ('billing.payment.capture.v1', 'billing.payment.void.v1', 'billing.payment.refund.v1',
                   'billing.payment.rollback.v1', 'billing.payment.correct.v1', 'billing.payment.amend.v1')
      AND message -> 'data' ->> 'operator' IS NOT NULL
"""

#: The row of a bulk job that a refund ``c`` is of, its job, and the request for the job's approval.
_BULK: Final = """
    bulk_rows r JOIN bulk_jobs j ON j.id = r.job JOIN approvals a ON a.id = j.approval AND a.bulk_job = j.id
    WHERE c.type = 'billing.payment.refund.v1' AND r.operation_id::text = c.message_id
      AND r.operation_id::text = c.data ->> 'operation_id' AND r.payment_id = c.payment_id
      AND j.created_by = c.operator AND a.requested_by = c.operator
"""

#: The journalled commands to subscriptions that the panel sent, or that have an approval: ``back`` is what they asked
#: payments to give back.
_SUBSCRIPTION_COMMANDS: Final = """
    SELECT payment_id AS subscription_id, message_id, type, regexp_replace(actor, '^operator:', '') AS operator,
           message -> 'data' AS data,
           (SELECT sum((o -> 'value' -> 'data' ->> 'amount')::bigint) FROM jsonb_array_elements(outputs) o
            WHERE o -> 'value' ->> 'type' = 'billing.payment.refund.v1') AS back
    FROM journal
    WHERE type IN ('billing.subscription.cancel.v1', 'billing.subscription.keep.v1', 'billing.subscription.pay_now.v1',
                   'billing.subscription.extend.v1')
      AND (message ->> 'source' = '/admin' OR message -> 'data' ->> 'approval' IS NOT NULL)
"""

#: The discrepancies that people wrote off or accepted, with what it was about in minor units. Decisions of releases that knew
#: no approvals have no resolution in their evidence.
_CLOSED_BY_PEOPLE: Final = """
    SELECT discrepancy_id, version, regexp_replace(actor, '^operator:', '') AS actor, evidence -> 'approval' AS approval,
           evidence ->> 'resolution' AS resolution,
           CASE kind
               WHEN 'fee_differs'
               THEN abs(coalesce((evidence ->> 'fee')::bigint, 0) - coalesce((evidence ->> 'by_contract')::bigint, 0))
               WHEN 'payout_differs'
               THEN abs(coalesce((evidence ->> 'paid')::bigint, 0) - coalesce((evidence ->> 'consists_of')::bigint, 0))
               WHEN 'currency_differs'
               THEN greatest(abs(coalesce((evidence ->> 'ours')::bigint, 0)),
                             abs(coalesce((evidence ->> 'theirs')::bigint, 0)))
               ELSE abs(coalesce((evidence ->> 'theirs')::bigint, 0) - coalesce((evidence ->> 'ours')::bigint, 0))
           END AS amount
    FROM discrepancy_events WHERE event = 'settled' AND evidence ->> 'resolution' IS NOT NULL
"""
#: Minor units above which a write-off or an acceptance needs a second person.
_CLOSE_ALONE: Final = 100_000

#: Kind of violation → query for ``(id, detail)``; the id
#: Kind of violation → query for ``(id, detail)``; the id is an entry, a session, an operator's action, a
#: command or a note.
STAFF_TRAIL: Final[dict[str, str]] = {
    # The end of the chain shows in other tables: every session began with an entry, every change of an account is one.
    "trail_broken": """
        WITH links AS (
            SELECT id, prev_hash, hash, lag(hash) OVER entries AS before, lag(id, 1, 0::bigint) OVER entries AS id_before,
                   sha256(coalesce(prev_hash, '') || convert_to(
                       jsonb_build_array(id, extract(epoch FROM at), staff_id, who, role, session, address, kind,
                                         subject_kind, subject_id, reason, detail)::text, 'UTF8')) AS due
            FROM staff_trail WINDOW entries AS (ORDER BY id)
        )
        SELECT id::text, CASE WHEN hash <> due THEN 'the hash is not that of the entry'
                              WHEN prev_hash IS DISTINCT FROM before THEN 'it does not continue the entry before it'
                              ELSE 'the entry before it is ' || id_before END
        FROM links WHERE hash <> due OR prev_hash IS DISTINCT FROM before OR id <> id_before + 1
        UNION ALL
        SELECT left(encode(token_hash, 'hex'), 8), 'the session has no entry'
        FROM staff_sessions e WHERE NOT EXISTS (
            SELECT FROM staff_trail t
            WHERE t.staff_id = e.staff_id AND t.session = left(encode(e.token_hash, 'hex'), 8)
              AND t.kind IN ('sign_in', 'credential')
        )
        UNION ALL
        SELECT a.id::text, format('operator %s changed an account (%s), and there is no entry', a.actor, a.action)
        FROM operator_actions a
        WHERE a.subject_kind = 'staff' AND a.outcome = 'done' AND NOT EXISTS (
            SELECT FROM staff_trail t
            WHERE t.subject_kind = 'staff' AND t.subject_id = a.subject_id AND t.detail ->> 'action' = a.action
        )
    """,
    # The trail is written before the command is sent. An approved command is on the trail of who sent it, with the name of
    # who asked. What operators do on the command line has a record of its own. A bulk job is on the trail as a whole: the
    # request for its approval, and its start.
    "untrailed_operation": f"""
        WITH commands AS ({_COMMANDS})
        SELECT c.message_id, format('%s of payment %s names %s, who has no entry of it', c.type, c.payment_id, c.operator)
        FROM commands c
        WHERE (c.source = '/admin' OR EXISTS (SELECT FROM staff s WHERE s.email = c.operator))
          AND NOT EXISTS (
              SELECT FROM staff_trail t
              WHERE t.detail ->> 'message' = c.message_id AND t.kind = 'command' AND t.subject_kind = 'payment'
                AND t.subject_id = c.payment_id::text AND coalesce(t.detail ->> 'operator', t.who) = c.operator
          )
          AND NOT EXISTS (
              SELECT FROM operator_actions a
              WHERE a.details ->> 'correction' = c.message_id AND a.subject_id = c.payment_id::text
                AND a.actor = c.operator
          )
          AND NOT EXISTS (
              SELECT FROM {_BULK}
                AND EXISTS (SELECT FROM staff_trail t
                            WHERE t.kind = 'bulk' AND t.subject_kind = 'bulk_job' AND t.subject_id = j.id::text
                              AND t.detail ->> 'action' = 'ask' AND t.detail ->> 'approval' = a.id::text
                              AND t.who = c.operator)
                AND EXISTS (SELECT FROM staff_trail t
                            WHERE t.kind = 'bulk' AND t.subject_kind = 'bulk_job' AND t.subject_id = j.id::text
                              AND t.detail ->> 'action' = 'start')
          )
        UNION ALL
        SELECT c.message_id, format('%s of subscription %s names %s, who has no entry of it', c.type, c.subscription_id,
                                    c.operator)
        FROM ({_SUBSCRIPTION_COMMANDS}) c
        WHERE NOT EXISTS (
            SELECT FROM staff_trail t
            WHERE t.detail ->> 'message' = c.message_id AND t.kind = 'command' AND t.subject_kind = 'subscription'
              AND t.subject_id = c.subscription_id::text AND coalesce(t.detail ->> 'operator', t.who) = c.operator
        )
    """,  # noqa: S608 - of constants
    # Note and entry are written in one transaction. The entry has the hash of the text, not the text.
    "untrailed_note": """
        SELECT n.id::text, format('a note about customer %s by %s has no entry of these words', n.customer_id, n.author)
        FROM customer_notes n
        WHERE NOT EXISTS (
            SELECT FROM staff_trail t
            WHERE t.kind = 'command' AND t.subject_kind = 'customer' AND t.subject_id = n.customer_id
              AND t.detail ->> 'note' = n.id::text AND t.who = n.author
              AND t.detail ->> 'sha256' = encode(sha256(convert_to(n.text, 'UTF8')), 'hex')
        )
        UNION ALL
        SELECT t.detail ->> 'note', format('the note about customer %s by %s is gone', t.subject_id, t.who)
        FROM staff_trail t
        WHERE t.kind = 'command' AND t.subject_kind = 'customer' AND t.detail ->> 'action' = 'note'
          AND NOT EXISTS (SELECT FROM customer_notes n WHERE n.id::text = t.detail ->> 'note')
    """,
    # An approval is of exactly this command, of the bulk job with exactly this row, or of exactly this end of a discrepancy;
    # what a subscription gives back gets less while the request waits. Without one: no correction of the panel, no more given
    # back than the limit that is on the trail with the command, and no more written off or accepted than one person may.
    "unapproved_operation": f"""
        WITH commands AS ({_COMMANDS})
        SELECT c.message_id, format('%s of payment %s has an approval that is not on record as that of %s', c.type,
                                    c.payment_id, c.data -> 'approval' ->> 'approved_by')
        FROM commands c
        WHERE c.data ->> 'approval' IS NOT NULL AND NOT EXISTS (
            SELECT FROM approvals a
            WHERE a.id::text = c.data -> 'approval' ->> 'id' AND a.payment_id = c.payment_id AND a.type = c.type
              AND a.decision = 'approved' AND a.decided_by = c.data -> 'approval' ->> 'approved_by'
              AND a.requested_by = c.operator AND a.decided_by <> a.requested_by
              AND convert_from(a.command, 'UTF8')::jsonb = c.data - 'approval' - 'reply_to'
        )
        AND NOT EXISTS (
            SELECT FROM {_BULK}
              AND a.id::text = c.data -> 'approval' ->> 'id' AND a.decision = 'approved'
              AND a.decided_by = c.data -> 'approval' ->> 'approved_by' AND a.decided_by <> a.requested_by
              AND c.data - 'approval' = jsonb_build_object(
                  'payment_id', r.payment_id, 'operation_id', r.operation_id, 'reason', r.reason, 'amount', r.amount,
                  'operator', a.requested_by, 'if_version', r.payment_version)
        )
        UNION ALL
        SELECT c.message_id, format('a correction of payment %s by %s without a second person', c.payment_id, c.operator)
        FROM commands c
        WHERE c.type = 'billing.payment.correct.v1' AND c.source = '/admin' AND c.refusal IS NULL
          AND c.data ->> 'approval' IS NULL
        UNION ALL
        SELECT c.message_id, format('%s of %s of payment %s by %s, whose limit is %s, without a second person', o.type,
                                    o.amount, c.payment_id, c.operator, coalesce((t.detail ->> 'limit')::bigint, 0))
        FROM commands c
        JOIN operations o ON o.id::text = c.data ->> 'operation_id' AND o.payment_id = c.payment_id
        JOIN staff_trail t ON t.detail ->> 'message' = c.message_id AND t.kind = 'command' AND t.who = c.operator
        WHERE o.type IN ('REFUND', 'VOID') AND c.type <> 'billing.payment.correct.v1'
          AND c.data ->> 'approval' IS NULL AND o.amount > coalesce((t.detail ->> 'limit')::bigint, 0)
        UNION ALL
        SELECT c.message_id, format('the end of subscription %s by %s, whose limit is %s, gives %s back', c.subscription_id,
                                    c.operator, coalesce((t.detail ->> 'limit')::bigint, 0), c.back)
        FROM ({_SUBSCRIPTION_COMMANDS}) c
        JOIN staff_trail t ON t.detail ->> 'message' = c.message_id AND t.kind = 'command' AND t.who = c.operator
        WHERE c.data ->> 'approval' IS NULL AND c.back > coalesce((t.detail ->> 'limit')::bigint, 0)
        UNION ALL
        SELECT c.message_id, format('%s of subscription %s has an approval that is not on record as that of %s', c.type,
                                    c.subscription_id, c.data -> 'approval' ->> 'approved_by')
        FROM ({_SUBSCRIPTION_COMMANDS}) c
        WHERE c.data ->> 'approval' IS NOT NULL AND NOT EXISTS (
            SELECT FROM approvals a
            WHERE a.id::text = c.data -> 'approval' ->> 'id' AND a.subscription_id = c.subscription_id
              AND a.type = c.type AND a.decision = 'approved' AND a.decided_by = c.data -> 'approval' ->> 'approved_by'
              AND a.requested_by = c.operator AND a.decided_by <> a.requested_by
              AND coalesce(c.back, 0) <= a.amount
              AND convert_from(a.command, 'UTF8')::jsonb = c.data - 'approval' - 'reply_to'
        )
        UNION ALL
        SELECT w.discrepancy_id::text, format('%s of %s by %s has no approval of a second person that is on record',
                                              w.resolution, w.amount, w.actor)
        FROM ({_CLOSED_BY_PEOPLE}) w
        WHERE (w.amount > {_CLOSE_ALONE} OR w.approval IS NOT NULL) AND NOT EXISTS (
            SELECT FROM approvals a
            WHERE a.id::text = w.approval ->> 'id' AND a.discrepancy_id = w.discrepancy_id AND a.decision = 'approved'
              AND a.decided_by = w.approval ->> 'approved_by' AND a.requested_by = w.actor
              AND a.decided_by <> a.requested_by AND a.amount = w.amount
              AND (convert_from(a.command, 'UTF8')::jsonb ->> 'version')::integer = w.version - 1
              AND convert_from(a.command, 'UTF8')::jsonb ->> 'resolution' = w.resolution
        )
    """,  # noqa: S608 - of constants
}
