-- Aggregates. A materialized view sees every block that is inserted, so also what a restarted sink, a backfill or
-- a repair sends again: a sum kept by one would grow with each repeat. Therefore:
--
-- * what is kept by materialized views are states that a repeat leaves as they are: the earliest moment of something,
--   the set of those that something happened to,
-- * money is added up by plain views over the tables' latest versions (FINAL), never by a materialized one.

-- When a payment first came to each of its states. The rows of a payment's earlier versions are replaced in
-- payment_versions; here they leave the moment behind.
CREATE TABLE IF NOT EXISTS payment_milestone_states
(
    payment_id UUID,
    created_at DateTime64(6, 'UTC'),
    authorized_at SimpleAggregateFunction(min, Nullable(DateTime64(6, 'UTC'))),
    captured_at SimpleAggregateFunction(min, Nullable(DateTime64(6, 'UTC'))),
    refunded_at SimpleAggregateFunction(min, Nullable(DateTime64(6, 'UTC'))),
    final_at SimpleAggregateFunction(min, Nullable(DateTime64(6, 'UTC')))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(created_at)
ORDER BY (toDate(created_at), payment_id, created_at);

CREATE MATERIALIZED VIEW IF NOT EXISTS payment_milestones_feed TO payment_milestone_states AS
SELECT
    payment_id,
    created_at,
    if(authorized > 0, updated_at, NULL) AS authorized_at,
    if(captured > 0, updated_at, NULL) AS captured_at,
    if(refunded > 0, updated_at, NULL) AS refunded_at,
    if(status NOT IN ('PENDING', 'AUTHORIZED'), updated_at, NULL) AS final_at
FROM payment_versions;

-- One row per payment: the first moment at which it was authorized, captured, refunded (in part at least) and final.
CREATE VIEW IF NOT EXISTS payment_milestones AS SELECT * FROM payment_milestone_states FINAL;

-- The operations that were ever refused, per day of creation and reason, as sets of their ids.
CREATE TABLE IF NOT EXISTS decline_states
(
    day Date,
    provider LowCardinality(String),
    currency LowCardinality(String),
    type LowCardinality(String),
    reason LowCardinality(String),
    operations AggregateFunction(uniqExact, UUID)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (day, provider, currency, type, reason);

CREATE MATERIALIZED VIEW IF NOT EXISTS declines_feed TO decline_states AS
SELECT toDate(created_at) AS day, provider, currency, type, reason, uniqExactState(operation_id) AS operations
FROM operation_versions
WHERE status = 'FAIL'
GROUP BY day, provider, currency, type, reason;

CREATE VIEW IF NOT EXISTS decline_reasons AS
SELECT day, provider, currency, type, reason, uniqExactMerge(operations) AS declined
FROM decline_states
GROUP BY day, provider, currency, type, reason;

-- Durations of provider calls as a histogram of sets: 8 buckets per doubling, so a percentile read from it is at most
-- 9 % above the exact one. `up_to_us` is the upper end of the bucket, microseconds.
CREATE TABLE IF NOT EXISTS provider_latency_states
(
    hour DateTime('UTC'),
    provider LowCardinality(String),
    action LowCardinality(String),
    up_to_us UInt64,
    calls AggregateFunction(uniqExact, UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, provider, action, up_to_us)
TTL hour + INTERVAL 400 DAY;

CREATE MATERIALIZED VIEW IF NOT EXISTS provider_latency_feed TO provider_latency_states AS
SELECT
    toStartOfHour(ended_at) AS hour,
    provider,
    action,
    toUInt64(ceil(exp2(ceil(log2(greatest(duration_us, 1)) * 8) / 8))) AS up_to_us,
    uniqExactState(sipHash64(payment_id, version)) AS calls
FROM provider_call_versions
WHERE outcome != 'NOT_SENT'
GROUP BY hour, provider, action, up_to_us;

CREATE VIEW IF NOT EXISTS provider_latency AS
SELECT hour, provider, action, sum(n) AS calls, quantilesExactWeighted(0.5, 0.95, 0.99)(up_to_us, n) AS p50_p95_p99_us
FROM
(
    SELECT hour, provider, action, up_to_us, uniqExactMerge(calls) AS n
    FROM provider_latency_states
    GROUP BY hour, provider, action, up_to_us
)
GROUP BY hour, provider, action;

-- Revenue by day of sale, currency, product and provider; minor units.
CREATE VIEW IF NOT EXISTS revenue AS
SELECT
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

-- How many payments were authorized, captured and refunded, of those opened that day.
CREATE VIEW IF NOT EXISTS payment_rates AS
SELECT
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

-- Milliseconds from opening a payment to its first final state.
CREATE VIEW IF NOT EXISTS time_to_final AS
SELECT
    toDate(created_at) AS day,
    count() AS finished,
    quantilesExact(0.5, 0.95, 0.99)(dateDiff('millisecond', created_at, final_at)) AS p50_p95_p99_ms
FROM payment_milestones
WHERE final_at IS NOT NULL
GROUP BY day;
