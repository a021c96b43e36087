-- What each column of each view means, where people read it: in `DESCRIBE TABLE payments`, or in their SQL editor.
--
-- A comment belongs to a column of a view only where the view names its columns. So a migration that adds a column to a
-- table replaces its view with one column more.

-- One row per operation: one call for money, made or tried, as it is now.
CREATE OR REPLACE VIEW operations
(
    operation_id UUID COMMENT 'the operation of the payment',
    payment_id UUID COMMENT 'the payment',
    version UInt64 COMMENT 'of the payment when this row was written; grows with every change',
    type LowCardinality(String) COMMENT 'AUTHORIZE, CAPTURE, VOID, REFUND, RECURRING',
    status LowCardinality(String) COMMENT 'PENDING: in progress; SUCCESS; FAIL; UNKNOWN: the provider has not reported how it ended, and is being asked',
    amount Int64 COMMENT 'minor units of currency',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    provider LowCardinality(String) COMMENT 'the payment provider, by its name',
    capture_mode LowCardinality(String) COMMENT 'ONE_STAGE: captured at once; TWO_STAGE: held first',
    customer_id String COMMENT 'the customer, by the client''s own id',
    order_id UUID COMMENT 'the order that the payment pays',
    client_id LowCardinality(String) COMMENT 'the API client that opened the payment',
    payment_status LowCardinality(String) COMMENT 'of the payment, at this version',
    reason LowCardinality(String) COMMENT 'why it failed, or the client''s own reason of a void or refund; empty: none',
    reason_kind LowCardinality(String) COMMENT 'of a failed operation: issuer, provider, customer, cancelled, abandoned, ours; empty: it did not fail',
    provider_ref String COMMENT 'what the provider calls it; empty: not told',
    created_at DateTime64(6, 'UTC') COMMENT 'when it was recorded, before the provider was called, UTC',
    updated_at DateTime64(6, 'UTC') COMMENT 'when it last changed, UTC',
    stream_partition UInt32 COMMENT 'partition of billing.events where the change stands; 4294967295: written by a backfill',
    stream_offset UInt64 COMMENT 'offset of the change in that partition',
    inserted_at DateTime64(3, 'UTC') COMMENT 'when the row was written here, UTC'
)
AS SELECT * FROM operation_versions FINAL;

-- One row per payment, with its amounts as they are now.
CREATE OR REPLACE VIEW payments
(
    payment_id UUID COMMENT 'the payment',
    version UInt64 COMMENT 'of the payment when this row was written; grows with every change',
    status LowCardinality(String) COMMENT 'PENDING, AUTHORIZED, CAPTURED, PARTIALLY_REFUNDED, REFUNDED, VOIDED, FAILED, EXPIRED',
    amount Int64 COMMENT 'of the order, minor units of currency',
    authorized Int64 COMMENT 'held or paid so far, minor units of currency',
    captured Int64 COMMENT 'taken so far, refunds not deducted, minor units of currency',
    refunded Int64 COMMENT 'given back so far, minor units of currency',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    provider LowCardinality(String) COMMENT 'the payment provider, by its name',
    capture_mode LowCardinality(String) COMMENT 'ONE_STAGE: captured at once; TWO_STAGE: held first',
    customer_id String COMMENT 'the customer, by the client''s own id',
    order_id UUID COMMENT 'the order that the payment pays',
    client_id LowCardinality(String) COMMENT 'the API client that opened the payment',
    reason LowCardinality(String) COMMENT 'why it failed; empty: it did not',
    created_at DateTime64(6, 'UTC') COMMENT 'when it was opened, UTC',
    updated_at DateTime64(6, 'UTC') COMMENT 'when it last changed, UTC',
    stream_partition UInt32 COMMENT 'partition of billing.events where the change stands; 4294967295: written by a backfill',
    stream_offset UInt64 COMMENT 'offset of the change in that partition',
    inserted_at DateTime64(3, 'UTC') COMMENT 'when the row was written here, UTC'
)
AS SELECT * FROM payment_versions FINAL;

-- One row per payment and product.
CREATE OR REPLACE VIEW payment_items
(
    payment_id UUID COMMENT 'the payment',
    product_id String COMMENT 'the product, by the client''s own id',
    version UInt64 COMMENT 'of the payment when this row was written; grows with every change',
    title String COMMENT 'as the customer saw it',
    quantity UInt32 COMMENT 'units ordered',
    amount Int64 COMMENT 'ordered, minor units of currency',
    captured Int64 COMMENT 'of the payment''s captured amount, what this product brought in, minor units of currency',
    refunded Int64 COMMENT 'of the payment''s refunded amount, what this product gave back, minor units of currency',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    provider LowCardinality(String) COMMENT 'the payment provider, by its name',
    customer_id String COMMENT 'the customer, by the client''s own id',
    created_at DateTime64(6, 'UTC') COMMENT 'when the payment was opened, UTC',
    inserted_at DateTime64(3, 'UTC') COMMENT 'when the row was written here, UTC'
)
AS SELECT * FROM payment_item_versions FINAL;

-- One row per entry of the double-entry ledger. The entries of a posting add up to zero.
CREATE OR REPLACE VIEW ledger_entries
(
    posting_id UUID COMMENT 'the balanced set that the entry belongs to',
    line UInt32 COMMENT 'of the entry in its posting',
    version UInt64 COMMENT 'of the payment when this row was written; grows with every change',
    account LowCardinality(String) COMMENT 'revenue, refunds, fees, receivable, or clearing:PROVIDER for the money that a provider holds for us',
    amount Int64 COMMENT 'minor units of currency; debit positive, credit negative: revenue is negative, what a provider owes us positive',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    provider LowCardinality(String) COMMENT 'the payment provider, by its name',
    payment_id UUID COMMENT 'the payment',
    operation_id UUID COMMENT 'the operation of the payment',
    posted_at DateTime64(6, 'UTC') COMMENT 'when it was posted, UTC',
    inserted_at DateTime64(3, 'UTC') COMMENT 'when the row was written here, UTC'
)
AS SELECT * FROM ledger_entry_versions FINAL;

-- One row per call of a provider. Kept for 400 days.
CREATE OR REPLACE VIEW provider_calls
(
    payment_id UUID COMMENT 'the payment',
    version UInt64 COMMENT 'of the payment when this row was written; grows with every change',
    operation_id UUID COMMENT 'the operation of the payment',
    provider LowCardinality(String) COMMENT 'the payment provider, by its name',
    action LowCardinality(String) COMMENT 'CREATE, CAPTURE, VOID, REFUND, ROLLBACK, RECUR, INQUIRE',
    outcome LowCardinality(String) COMMENT 'SUCCEEDED; DECLINED; PENDING: a callback will tell; NOT_SENT; UNKNOWN: timeout or broken connection, it may have happened',
    reason LowCardinality(String) COMMENT 'decline reason or class of the error; empty: none',
    reason_kind LowCardinality(String) COMMENT 'issuer, provider, customer, cancelled, abandoned, ours; empty: no reason',
    duration_us UInt64 COMMENT 'spent waiting for the provider, microseconds',
    ended_at DateTime64(6, 'UTC') COMMENT 'when the payments agent took the result in, UTC',
    inserted_at DateTime64(3, 'UTC') COMMENT 'when the row was written here, UTC'
)
AS SELECT * FROM provider_call_versions FINAL;

-- One row per batch that was written here. Kept for 60 days.
CREATE OR REPLACE VIEW stream_metrics
(
    topic LowCardinality(String) COMMENT 'the Kafka topic',
    stream_partition UInt32 COMMENT 'of the topic',
    first_offset UInt64 COMMENT 'of the batch in the partition',
    next_offset UInt64 COMMENT 'after the last of the batch',
    events UInt32 COMMENT 'of the batch in this partition',
    oldest_at DateTime64(6, 'UTC') COMMENT 'when the oldest of these changes happened, UTC',
    newest_at DateTime64(6, 'UTC') COMMENT 'when the newest of these changes happened, UTC',
    delivered_at DateTime64(6, 'UTC') COMMENT 'when their rows could be read here, UTC',
    inserted_at DateTime64(3, 'UTC') COMMENT 'when the row was written here, UTC'
)
AS SELECT * FROM stream_metric_versions FINAL;

-- One row per payment: when it first was what.
CREATE OR REPLACE VIEW payment_milestones
(
    payment_id UUID COMMENT 'the payment',
    created_at DateTime64(6, 'UTC') COMMENT 'when the payment was opened, UTC',
    authorized_at SimpleAggregateFunction(min, Nullable(DateTime64(6, 'UTC'))) COMMENT 'when money was first held or paid, UTC; null: never',
    captured_at SimpleAggregateFunction(min, Nullable(DateTime64(6, 'UTC'))) COMMENT 'when money was first taken, UTC; null: never',
    refunded_at SimpleAggregateFunction(min, Nullable(DateTime64(6, 'UTC'))) COMMENT 'when money was first given back, in part at least, UTC; null: never',
    final_at SimpleAggregateFunction(min, Nullable(DateTime64(6, 'UTC'))) COMMENT 'when it first was neither PENDING nor AUTHORIZED, UTC; null: not yet'
)
AS SELECT * FROM payment_milestone_states FINAL;

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

-- Durations of provider calls that were sent, by hour.
CREATE OR REPLACE VIEW provider_latency
(
    hour DateTime('UTC') COMMENT 'in which the calls ended, UTC',
    provider LowCardinality(String) COMMENT 'the payment provider, by its name',
    action LowCardinality(String) COMMENT 'CREATE, CAPTURE, VOID, REFUND, ROLLBACK, RECUR, INQUIRE',
    calls UInt64 COMMENT 'number of calls',
    p50_p95_p99_us Array(UInt64) COMMENT 'percentiles of their durations, microseconds, at most 9 % too high'
)
AS SELECT hour, provider, action, sum(n) AS calls, quantilesExactWeighted(0.5, 0.95, 0.99)(up_to_us, n) AS p50_p95_p99_us
FROM
(
    SELECT hour, provider, action, up_to_us, uniqExactMerge(calls) AS n
    FROM provider_latency_states
    GROUP BY hour, provider, action, up_to_us
)
GROUP BY hour, provider, action;

-- What products brought in, by day of sale.
CREATE OR REPLACE VIEW revenue
(
    day Date COMMENT 'on which the payments were opened, UTC',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    product_id String COMMENT 'the product, by the client''s own id',
    provider LowCardinality(String) COMMENT 'the payment provider, by its name',
    gross Int64 COMMENT 'captured, minor units of currency',
    refunds Int64 COMMENT 'given back, minor units of currency',
    net Int64 COMMENT 'gross less refunds, minor units of currency',
    sales UInt64 COMMENT 'number of payments that brought something in'
)
AS SELECT
    toDate(created_at) AS day,
    currency,
    product_id,
    provider,
    sum(captured) AS gross,
    sum(refunded) AS refunds,
    gross - refunds AS net,
    countIf(captured > 0) AS sales
FROM payment_items
GROUP BY day, currency, product_id, provider;

-- How many payments got how far, of those opened that day.
CREATE OR REPLACE VIEW payment_rates
(
    day Date COMMENT 'on which the payments were opened, UTC',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    provider LowCardinality(String) COMMENT 'the payment provider, by its name',
    capture_mode LowCardinality(String) COMMENT 'ONE_STAGE: captured at once; TWO_STAGE: held first',
    opened UInt64 COMMENT 'number of payments',
    authorized_payments UInt64 COMMENT 'number of those with money held or paid',
    captured_payments UInt64 COMMENT 'number of those with money taken',
    refunded_payments UInt64 COMMENT 'number of those with money given back, in part at least'
)
AS SELECT
    toDate(created_at) AS day,
    currency,
    provider,
    capture_mode,
    count() AS opened,
    countIf(authorized > 0) AS authorized_payments,
    countIf(captured > 0) AS captured_payments,
    countIf(refunded > 0) AS refunded_payments
FROM payments
GROUP BY day, currency, provider, capture_mode;

-- How long payments took to become final, of those opened that day.
CREATE OR REPLACE VIEW time_to_final
(
    day Date COMMENT 'on which the payments were opened, UTC',
    finished UInt64 COMMENT 'number of payments that are final',
    p50_p95_p99_ms Array(Int64) COMMENT 'percentiles of the time from opening to the first final state, milliseconds'
)
AS SELECT
    toDate(created_at) AS day,
    count() AS finished,
    quantilesExact(0.5, 0.95, 0.99)(dateDiff('millisecond', created_at, final_at)) AS p50_p95_p99_ms
FROM payment_milestones
WHERE final_at IS NOT NULL
GROUP BY day;
