-- Kinds of the reasons why a charge is not sent (docs/reasons.md): `method_dead`, `method_removed`, `too_late`, `withdrawn`. None of them
-- is a decline.

ALTER TABLE operation_versions MODIFY COLUMN reason_kind LowCardinality(String) DEFAULT multiIf(
    status != 'FAIL', '',
    splitByChar(':', reason)[1] IN ('authentication_required', 'call_issuer', 'card_expired', 'declined',
        'fraud_suspected', 'insufficient_funds', 'issuer_unavailable', 'limit_exceeded'), 'issuer',
    splitByChar(':', reason)[1] IN ('3d_secure_failed', 'invalid_card', 'method_dead', 'method_removed', 'method_revoked', 'paid_meanwhile'),
        'customer',
    splitByChar(':', reason)[1] IN ('rolled_back', 'voided', 'withdrawn'), 'cancelled',
    splitByChar(':', reason)[1] IN ('expired'), 'abandoned',
    splitByChar(':', reason)[1] IN ('corrected', 'invalid_request', 'invalid_state', 'merchant_balance',
        'order_not_found', 'payment_moved_on', 'breaker_open', 'credentials', 'not_sent', 'provider_busy',
        'provider_disabled', 'queue_full', 'rate_limited', 'too_late', 'unreachable', 'adapter_error'), 'ours',
    'provider'
) COMMENT 'of a failed operation: issuer, provider, customer, cancelled, abandoned, ours, or empty: it did not fail';

ALTER TABLE provider_call_versions MODIFY COLUMN reason_kind LowCardinality(String) DEFAULT multiIf(
    reason = '', '',
    splitByChar(':', reason)[1] IN ('authentication_required', 'call_issuer', 'card_expired', 'declined',
        'fraud_suspected', 'insufficient_funds', 'issuer_unavailable', 'limit_exceeded'), 'issuer',
    splitByChar(':', reason)[1] IN ('3d_secure_failed', 'invalid_card', 'method_dead', 'method_removed', 'method_revoked', 'paid_meanwhile'),
        'customer',
    splitByChar(':', reason)[1] IN ('rolled_back', 'voided', 'withdrawn'), 'cancelled',
    splitByChar(':', reason)[1] IN ('expired'), 'abandoned',
    splitByChar(':', reason)[1] IN ('corrected', 'invalid_request', 'invalid_state', 'merchant_balance',
        'order_not_found', 'payment_moved_on', 'breaker_open', 'credentials', 'not_sent', 'provider_busy',
        'provider_disabled', 'queue_full', 'rate_limited', 'too_late', 'unreachable', 'adapter_error'), 'ours',
    'provider'
) COMMENT 'issuer, provider, customer, cancelled, abandoned, ours, or empty: no reason';

-- Charges and other operations that issuers and providers ever refused, by day.
CREATE OR REPLACE VIEW decline_reasons
(
    day Date COMMENT 'on which the operations were recorded, UTC',
    provider LowCardinality(String) COMMENT 'the payment provider, by its name',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    type LowCardinality(String) COMMENT 'AUTHORIZE, CAPTURE, VOID, REFUND, RECURRING',
    reason_kind String COMMENT 'issuer or provider',
    reason LowCardinality(String) COMMENT 'why they were refused',
    declined UInt64 COMMENT 'number of operations'
)
AS SELECT
    day,
    provider,
    currency,
    type,
    multiIf(
        splitByChar(':', reason)[1] IN ('authentication_required', 'call_issuer', 'card_expired',
            'declined', 'fraud_suspected', 'insufficient_funds', 'issuer_unavailable', 'limit_exceeded'),
            'issuer',
        splitByChar(':', reason)[1] IN ('3d_secure_failed', 'invalid_card', 'method_dead', 'method_removed', 'method_revoked',
            'paid_meanwhile'), 'customer',
        splitByChar(':', reason)[1] IN ('rolled_back', 'voided', 'withdrawn'), 'cancelled',
        splitByChar(':', reason)[1] IN ('expired'), 'abandoned',
        splitByChar(':', reason)[1] IN ('corrected', 'invalid_request', 'invalid_state', 'merchant_balance',
            'order_not_found', 'payment_moved_on', 'breaker_open', 'credentials', 'not_sent',
            'provider_busy', 'provider_disabled', 'queue_full', 'rate_limited', 'too_late', 'unreachable',
            'adapter_error'), 'ours',
        'provider'
    ) AS reason_kind,
    reason,
    uniqExactMerge(operations) AS declined
FROM decline_states
WHERE reason_kind IN ('issuer', 'provider')
GROUP BY day, provider, currency, type, reason;
