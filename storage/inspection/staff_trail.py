"""The auditor's query about the trail of the staff. It shares nothing with the trigger that chains it."""

from typing import Final

#: Kind of violation → query for ``(id, detail)``; the id is an entry, a session or an operator's action.
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
}
