-- What clients note of their orders, such as a campaign. Rows of before, and those of an older sink, have none:
-- `billing backfill` fills them from Postgres.

ALTER TABLE payment_versions ADD COLUMN IF NOT EXISTS metadata Map(String, String)
COMMENT 'the order''s, the client''s own keys and values' AFTER client_id;

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
    metadata Map(String, String) COMMENT 'the order''s, the client''s own keys and values: metadata[''campaign'']',
    reason LowCardinality(String) COMMENT 'why it failed; empty: it did not',
    created_at DateTime64(6, 'UTC') COMMENT 'when it was opened, UTC',
    updated_at DateTime64(6, 'UTC') COMMENT 'when it last changed, UTC',
    stream_partition UInt32 COMMENT 'partition of billing.events where the change stands; 4294967295: written by a backfill',
    stream_offset UInt64 COMMENT 'offset of the change in that partition',
    inserted_at DateTime64(3, 'UTC') COMMENT 'when the row was written here, UTC'
)
AS SELECT * FROM payment_versions FINAL;

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
    provider_ref String COMMENT 'the provider''s own id of it; empty: the provider has not given one',
    created_at DateTime64(6, 'UTC') COMMENT 'when it was recorded, before the provider was called, UTC',
    updated_at DateTime64(6, 'UTC') COMMENT 'when it last changed, UTC',
    stream_partition UInt32 COMMENT 'partition of billing.events where the change stands; 4294967295: written by a backfill',
    stream_offset UInt64 COMMENT 'offset of the change in that partition',
    inserted_at DateTime64(3, 'UTC') COMMENT 'when the row was written here, UTC'
)
AS SELECT * FROM operation_versions FINAL;
