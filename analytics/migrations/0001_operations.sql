-- Operations and payments, as they were after each change.
--
-- Every change of a payment comes as an event with a version, and becomes one row per thing it touched. Delivery is
-- at least once, so the same row may come twice; ReplacingMergeTree(version) keeps, of the rows with one sorting key,
-- the one with the highest version. It does so at some time in the background: until then both are there, and a
-- plain count over a *_versions table counts them twice. So read `operations` and `payments`, which are views
-- with FINAL: one row per operation and per payment, at any moment.
--
-- Rows meet only within one partition and with one sorting key. Both are therefore made of what never changes in
-- the life of an operation or payment: when it was created, and its id. (A status or a provider in the key would
-- leave the old version standing beside the new one.) The day comes first, because nearly every question has one.
--
-- non_replicated_deduplication_window: an insert repeated with the same insert_deduplication_token (a try whose
-- answer was lost) is dropped by the server. The window is finite and a restarted sink may cut its batches
-- elsewhere, so this saves work; what makes the counts right is the versions.
--
-- Money is Int64 minor units of `currency`; a float or a Decimal with a guessed scale has no place here. Texts
-- that may be missing are empty rather than Nullable.

CREATE TABLE IF NOT EXISTS operation_versions
(
    operation_id UUID,
    payment_id UUID,
    version UInt64 COMMENT 'of the payment when it was written; grows with every change',
    type LowCardinality(String) COMMENT 'AUTHORIZE, CAPTURE, VOID, REFUND, RECURRING',
    status LowCardinality(String) COMMENT 'PENDING, SUCCESS, FAIL, UNKNOWN',
    amount Int64 COMMENT 'minor units of currency',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    provider LowCardinality(String),
    capture_mode LowCardinality(String),
    customer_id String,
    order_id UUID,
    client_id LowCardinality(String),
    payment_status LowCardinality(String) COMMENT 'of the payment, at this version',
    reason LowCardinality(String) COMMENT 'why it failed; empty: it did not',
    provider_ref String COMMENT 'what the provider calls it; empty: not told',
    created_at DateTime64(6, 'UTC'),
    updated_at DateTime64(6, 'UTC'),
    stream_partition UInt32 COMMENT 'where the event stands in billing.events',
    stream_offset UInt64,
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(created_at)
ORDER BY (toDate(created_at), operation_id)
SETTINGS non_replicated_deduplication_window = 1000;

-- One row per operation: `SELECT count() FROM operations` counts operations.
CREATE VIEW IF NOT EXISTS operations AS SELECT * FROM operation_versions FINAL;

CREATE TABLE IF NOT EXISTS payment_versions
(
    payment_id UUID,
    version UInt64,
    status LowCardinality(String),
    amount Int64 COMMENT 'of the order, minor units of currency; the other three are what has moved so far',
    authorized Int64,
    captured Int64,
    refunded Int64,
    currency LowCardinality(String) COMMENT 'ISO 4217',
    provider LowCardinality(String),
    capture_mode LowCardinality(String),
    customer_id String,
    order_id UUID,
    client_id LowCardinality(String),
    reason LowCardinality(String) COMMENT 'why it failed; empty: it did not',
    created_at DateTime64(6, 'UTC'),
    updated_at DateTime64(6, 'UTC'),
    stream_partition UInt32 COMMENT 'where the event stands in billing.events',
    stream_offset UInt64,
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(created_at)
ORDER BY (toDate(created_at), payment_id)
SETTINGS non_replicated_deduplication_window = 1000;

-- One row per payment, with its amounts as they now are.
CREATE VIEW IF NOT EXISTS payments AS SELECT * FROM payment_versions FINAL;
