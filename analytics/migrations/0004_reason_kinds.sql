-- Whose reason it was that an operation failed, or that a call ended as it did (docs/reasons.md). Approval rates count
-- the declines of issuers and providers only: an abandoned checkout, a cancellation, a call that was not sent are none.
--
-- The sink writes the kind. The default gives it to the rows that are there already and to those of an older sink, from
-- their reason; a text that is not listed is `provider`, as in billing/reasons.py. The list is that of this migration:
-- reasons added later are written with their kind.

ALTER TABLE operation_versions ADD COLUMN IF NOT EXISTS reason_kind LowCardinality(String) DEFAULT multiIf(
    status != 'FAIL', '',
    splitByChar(':', reason)[1] IN ('authentication_required', 'call_issuer', 'card_expired', 'declined',
        'fraud_suspected', 'insufficient_funds', 'issuer_unavailable', 'limit_exceeded'), 'issuer',
    splitByChar(':', reason)[1] IN ('3d_secure_failed', 'invalid_card', 'method_revoked', 'paid_meanwhile'),
        'customer',
    splitByChar(':', reason)[1] IN ('rolled_back', 'voided'), 'cancelled',
    splitByChar(':', reason)[1] IN ('expired'), 'abandoned',
    splitByChar(':', reason)[1] IN ('corrected', 'invalid_request', 'invalid_state', 'merchant_balance',
        'order_not_found', 'payment_moved_on', 'breaker_open', 'credentials', 'not_sent', 'provider_busy',
        'provider_disabled', 'queue_full', 'rate_limited', 'unreachable', 'adapter_error'), 'ours',
    'provider'
) COMMENT 'of a failed operation: issuer, provider, customer, cancelled, abandoned, ours, or empty: it did not fail' AFTER reason;

ALTER TABLE provider_call_versions ADD COLUMN IF NOT EXISTS reason_kind LowCardinality(String) DEFAULT multiIf(
    reason = '', '',
    splitByChar(':', reason)[1] IN ('authentication_required', 'call_issuer', 'card_expired', 'declined',
        'fraud_suspected', 'insufficient_funds', 'issuer_unavailable', 'limit_exceeded'), 'issuer',
    splitByChar(':', reason)[1] IN ('3d_secure_failed', 'invalid_card', 'method_revoked', 'paid_meanwhile'),
        'customer',
    splitByChar(':', reason)[1] IN ('rolled_back', 'voided'), 'cancelled',
    splitByChar(':', reason)[1] IN ('expired'), 'abandoned',
    splitByChar(':', reason)[1] IN ('corrected', 'invalid_request', 'invalid_state', 'merchant_balance',
        'order_not_found', 'payment_moved_on', 'breaker_open', 'credentials', 'not_sent', 'provider_busy',
        'provider_disabled', 'queue_full', 'rate_limited', 'unreachable', 'adapter_error'), 'ours',
    'provider'
) COMMENT 'issuer, provider, customer, cancelled, abandoned, ours, or empty: no reason' AFTER reason;

-- A view has the columns that its table had when it was made.
CREATE OR REPLACE VIEW operations AS SELECT * FROM operation_versions FINAL;

CREATE OR REPLACE VIEW provider_calls AS SELECT * FROM provider_call_versions FINAL;

-- Declines only, each with its kind. What failed otherwise is in `operations`.
CREATE OR REPLACE VIEW decline_reasons AS
SELECT
    day,
    provider,
    currency,
    type,
    multiIf(
        splitByChar(':', reason)[1] IN ('authentication_required', 'call_issuer', 'card_expired',
            'declined', 'fraud_suspected', 'insufficient_funds', 'issuer_unavailable', 'limit_exceeded'),
            'issuer',
        splitByChar(':', reason)[1] IN ('3d_secure_failed', 'invalid_card', 'method_revoked',
            'paid_meanwhile'), 'customer',
        splitByChar(':', reason)[1] IN ('rolled_back', 'voided'), 'cancelled',
        splitByChar(':', reason)[1] IN ('expired'), 'abandoned',
        splitByChar(':', reason)[1] IN ('corrected', 'invalid_request', 'invalid_state', 'merchant_balance',
            'order_not_found', 'payment_moved_on', 'breaker_open', 'credentials', 'not_sent',
            'provider_busy', 'provider_disabled', 'queue_full', 'rate_limited', 'unreachable',
            'adapter_error'), 'ours',
        'provider'
    ) AS reason_kind,
    reason,
    uniqExactMerge(operations) AS declined
FROM decline_states
WHERE reason_kind IN ('issuer', 'provider')
GROUP BY day, provider, currency, type, reason;
