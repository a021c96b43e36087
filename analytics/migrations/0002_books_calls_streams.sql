-- What a payment's events tell beside its state: products, ledger entries, provider calls; and how the stream does.
--
-- The same shape as 0001: ReplacingMergeTree(version) under a sorting key that never changes for a row, a view with
-- FINAL to read from. See docs/adr/0010-clickhouse-schema.md for keys, partitions, TTL and the views below.

CREATE TABLE IF NOT EXISTS payment_item_versions
(
    payment_id UUID,
    product_id String,
    version UInt64 COMMENT 'of the payment when it was written',
    title String,
    quantity UInt32 COMMENT 'ordered',
    amount Int64 COMMENT 'ordered, minor units of currency',
    captured Int64 COMMENT 'of the payment''s captured amount, what this product brought in',
    refunded Int64 COMMENT 'of the payment''s refunded amount, what this product gave back',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    provider LowCardinality(String),
    customer_id String,
    created_at DateTime64(6, 'UTC') COMMENT 'of the payment',
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(created_at)
ORDER BY (toDate(created_at), payment_id, product_id)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS payment_items AS SELECT * FROM payment_item_versions FINAL;

CREATE TABLE IF NOT EXISTS ledger_entry_versions
(
    posting_id UUID,
    line UInt32,
    version UInt64 COMMENT 'of the payment when it was posted; entries never change, repeats replace each other',
    account LowCardinality(String) COMMENT 'a kind, or kind:provider',
    amount Int64 COMMENT 'minor units of currency, debit positive',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    provider LowCardinality(String),
    payment_id UUID,
    operation_id UUID,
    posted_at DateTime64(6, 'UTC'),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(posted_at)
ORDER BY (toDate(posted_at), posting_id, line)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS ledger_entries AS SELECT * FROM ledger_entry_versions FINAL;

CREATE TABLE IF NOT EXISTS provider_call_versions
(
    payment_id UUID,
    version UInt64 COMMENT 'of the payment after the call: at most one call per version',
    operation_id UUID,
    provider LowCardinality(String),
    action LowCardinality(String) COMMENT 'CREATE, CAPTURE, VOID, REFUND, ROLLBACK, RECUR, INQUIRE',
    outcome LowCardinality(String) COMMENT 'SUCCEEDED, DECLINED, PENDING, NOT_SENT, UNKNOWN',
    reason LowCardinality(String) COMMENT 'decline reason or error class; empty: none',
    duration_us UInt64 COMMENT 'microseconds spent in the provider',
    ended_at DateTime64(6, 'UTC') COMMENT 'when the payments agent took it in',
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(inserted_at)
PARTITION BY toYYYYMM(ended_at)
ORDER BY (toDate(ended_at), payment_id, version)
TTL toDateTime(ended_at) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS provider_calls AS SELECT * FROM provider_call_versions FINAL;

CREATE TABLE IF NOT EXISTS stream_metric_versions
(
    topic LowCardinality(String),
    stream_partition UInt32,
    first_offset UInt64,
    next_offset UInt64 COMMENT 'after the last of the batch',
    events UInt32 COMMENT 'of the batch, in this partition',
    oldest_at DateTime64(6, 'UTC') COMMENT 'when the oldest of these changes happened',
    newest_at DateTime64(6, 'UTC'),
    delivered_at DateTime64(6, 'UTC') COMMENT 'when their rows could be read here',
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(delivered_at)
PARTITION BY toYYYYMM(newest_at)
ORDER BY (toDate(newest_at), topic, stream_partition, first_offset)
TTL toDateTime(newest_at) + INTERVAL 60 DAY
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS stream_metrics AS SELECT * FROM stream_metric_versions FINAL;
