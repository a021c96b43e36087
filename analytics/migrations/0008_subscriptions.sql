-- Subscriptions: what they are now, every change of them, the periods that were sold and the payments tried for them.
--
-- The same shape as 0001: ReplacingMergeTree(version) under a sorting key that never changes for a row, a view with FINAL to
-- read from. A period may move, so its key begins with the day on which its subscription was made. A change is never
-- replaced but by its own repeat: the run rate of any day is the sum of all changes up to it.

CREATE TABLE IF NOT EXISTS subscription_versions
(
    subscription_id UUID COMMENT 'the subscription',
    version UInt64 COMMENT 'of the subscription when this row was written; grows with every change, over all lives',
    status LowCardinality(String) COMMENT 'INCOMPLETE: the first payment is under way; ACTIVE; PAST_DUE: declined, with access; ON_HOLD: declined, without; ENDED',
    life UInt32 COMMENT 'from a start to an end of it; the first is 1',
    client_id LowCardinality(String) COMMENT 'the API client that owns the subscription',
    customer_id String COMMENT 'the customer, by the client''s own id',
    plan LowCardinality(String) COMMENT 'what the customer subscribes to, by the client''s own id',
    plan_group LowCardinality(String) COMMENT 'a customer has one subscription in a group of plans',
    price_id UUID COMMENT 'the version of the price',
    amount Int64 COMMENT 'of the price, per period, minor units of currency',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    interval_unit LowCardinality(String) COMMENT 'of a period: DAY, WEEK, MONTH, YEAR',
    interval_count UInt32 COMMENT 'how many of these units a period has',
    arr Int64 COMMENT 'yearly run rate, minor units of currency; 0 unless ACTIVE or PAST_DUE',
    provider LowCardinality(String) COMMENT 'the payment provider that renewals are charged at, by its name',
    period UInt32 COMMENT 'number of the latest period; 0: none yet',
    period_end_at Nullable(DateTime64(6, 'UTC')) COMMENT 'end of that period, UTC; NULL: none yet',
    due_period UInt32 COMMENT 'number of the period to be paid next',
    access_until Nullable(DateTime64(6, 'UTC')) COMMENT 'end of the access, UTC; NULL: no access',
    cancel_at Nullable(DateTime64(6, 'UTC')) COMMENT 'when it ends because it was cancelled or has no method, UTC; NULL: it renews',
    ended_at Nullable(DateTime64(6, 'UTC')) COMMENT 'end of the present life, UTC; NULL: it lives',
    end_reason LowCardinality(String) COMMENT 'cancelled, non_payment, never_started, refunded, no_method; empty: it lives',
    clock_id Nullable(UUID) COMMENT 'the test clock that it lives by; NULL: none',
    metadata Map(String, String) COMMENT 'the client''s own keys and values: metadata[''campaign'']',
    created_at DateTime64(6, 'UTC') COMMENT 'when the customer first subscribed, UTC',
    updated_at DateTime64(6, 'UTC') COMMENT 'when it last changed, UTC',
    stream_partition UInt32 COMMENT 'partition of billing.subscription.events where the change stands; 4294967295: written by a backfill',
    stream_offset UInt64 COMMENT 'offset of the change in that partition',
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'when the row was written here, UTC'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(created_at)
ORDER BY (toDate(created_at), subscription_id)
SETTINGS non_replicated_deduplication_window = 1000;

-- One row per subscription, over all its lives, as it is now.
CREATE OR REPLACE VIEW subscriptions
(
    subscription_id UUID COMMENT 'the subscription',
    version UInt64 COMMENT 'of the subscription when this row was written; grows with every change, over all lives',
    status LowCardinality(String) COMMENT 'INCOMPLETE: the first payment is under way; ACTIVE; PAST_DUE: declined, with access; ON_HOLD: declined, without; ENDED',
    life UInt32 COMMENT 'from a start to an end of it; the first is 1',
    client_id LowCardinality(String) COMMENT 'the API client that owns the subscription',
    customer_id String COMMENT 'the customer, by the client''s own id',
    plan LowCardinality(String) COMMENT 'what the customer subscribes to, by the client''s own id',
    plan_group LowCardinality(String) COMMENT 'a customer has one subscription in a group of plans',
    price_id UUID COMMENT 'the version of the price',
    amount Int64 COMMENT 'of the price, per period, minor units of currency',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    interval_unit LowCardinality(String) COMMENT 'of a period: DAY, WEEK, MONTH, YEAR',
    interval_count UInt32 COMMENT 'how many of these units a period has',
    arr Int64 COMMENT 'yearly run rate, minor units of currency; 0 unless ACTIVE or PAST_DUE',
    provider LowCardinality(String) COMMENT 'the payment provider that renewals are charged at, by its name',
    period UInt32 COMMENT 'number of the latest period; 0: none yet',
    period_end_at Nullable(DateTime64(6, 'UTC')) COMMENT 'end of that period, UTC; NULL: none yet',
    due_period UInt32 COMMENT 'number of the period to be paid next',
    access_until Nullable(DateTime64(6, 'UTC')) COMMENT 'end of the access, UTC; NULL: no access',
    cancel_at Nullable(DateTime64(6, 'UTC')) COMMENT 'when it ends because it was cancelled or has no method, UTC; NULL: it renews',
    ended_at Nullable(DateTime64(6, 'UTC')) COMMENT 'end of the present life, UTC; NULL: it lives',
    end_reason LowCardinality(String) COMMENT 'cancelled, non_payment, never_started, refunded, no_method; empty: it lives',
    clock_id Nullable(UUID) COMMENT 'the test clock that it lives by; NULL: none',
    metadata Map(String, String) COMMENT 'the client''s own keys and values: metadata[''campaign'']',
    created_at DateTime64(6, 'UTC') COMMENT 'when the customer first subscribed, UTC',
    updated_at DateTime64(6, 'UTC') COMMENT 'when it last changed, UTC',
    stream_partition UInt32 COMMENT 'partition of billing.subscription.events where the change stands; 4294967295: written by a backfill',
    stream_offset UInt64 COMMENT 'offset of the change in that partition',
    inserted_at DateTime64(3, 'UTC') COMMENT 'when the row was written here, UTC'
)
AS SELECT * FROM subscription_versions FINAL;

CREATE TABLE IF NOT EXISTS subscription_change_versions
(
    subscription_id UUID COMMENT 'the subscription',
    version UInt64 COMMENT 'of the subscription when this row was written; grows with every change, over all lives',
    client_id LowCardinality(String) COMMENT 'the API client that owns the subscription',
    customer_id String COMMENT 'the customer, by the client''s own id',
    life UInt32 COMMENT 'from a start to an end of the subscription; the first is 1',
    plan LowCardinality(String) COMMENT 'what the customer subscribes to, by the client''s own id',
    price_id UUID COMMENT 'the version of the price',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    interval_unit LowCardinality(String) COMMENT 'of a period: DAY, WEEK, MONTH, YEAR',
    interval_count UInt32 COMMENT 'how many of these units a period has',
    status_before LowCardinality(String) COMMENT 'before the change; empty: the change made the subscription',
    status LowCardinality(String) COMMENT 'INCOMPLETE: the first payment is under way; ACTIVE; PAST_DUE: declined, with access; ON_HOLD: declined, without; ENDED',
    movement LowCardinality(String) COMMENT 'how the change moved the run rate: NEW, RETURN (in a later life), HELD, RECOVERED (from ON_HOLD), CHURN_VOLUNTARY, CHURN_INVOLUNTARY; empty: it did not',
    arr_before Int64 COMMENT 'yearly run rate before the change, minor units of currency',
    arr_after Int64 COMMENT 'yearly run rate after the change, minor units of currency; 0 unless ACTIVE or PAST_DUE',
    end_reason LowCardinality(String) COMMENT 'cancelled, non_payment, never_started, refunded, no_method; empty: it lives',
    access_until Nullable(DateTime64(6, 'UTC')) COMMENT 'end of the access after the change, UTC; NULL: no access',
    changed_at DateTime64(6, 'UTC') COMMENT 'when it changed, UTC',
    stream_partition UInt32 COMMENT 'partition of billing.subscription.events where the change stands; 4294967295: written by a backfill',
    stream_offset UInt64 COMMENT 'offset of the change in that partition',
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'when the row was written here, UTC'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(changed_at)
ORDER BY (toDate(changed_at), subscription_id, version)
SETTINGS non_replicated_deduplication_window = 1000;

-- One row per change of a subscription.
CREATE OR REPLACE VIEW subscription_changes
(
    subscription_id UUID COMMENT 'the subscription',
    version UInt64 COMMENT 'of the subscription when this row was written; grows with every change, over all lives',
    client_id LowCardinality(String) COMMENT 'the API client that owns the subscription',
    customer_id String COMMENT 'the customer, by the client''s own id',
    life UInt32 COMMENT 'from a start to an end of the subscription; the first is 1',
    plan LowCardinality(String) COMMENT 'what the customer subscribes to, by the client''s own id',
    price_id UUID COMMENT 'the version of the price',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    interval_unit LowCardinality(String) COMMENT 'of a period: DAY, WEEK, MONTH, YEAR',
    interval_count UInt32 COMMENT 'how many of these units a period has',
    status_before LowCardinality(String) COMMENT 'before the change; empty: the change made the subscription',
    status LowCardinality(String) COMMENT 'INCOMPLETE: the first payment is under way; ACTIVE; PAST_DUE: declined, with access; ON_HOLD: declined, without; ENDED',
    movement LowCardinality(String) COMMENT 'how the change moved the run rate: NEW, RETURN (in a later life), HELD, RECOVERED (from ON_HOLD), CHURN_VOLUNTARY, CHURN_INVOLUNTARY; empty: it did not',
    arr_before Int64 COMMENT 'yearly run rate before the change, minor units of currency',
    arr_after Int64 COMMENT 'yearly run rate after the change, minor units of currency; 0 unless ACTIVE or PAST_DUE',
    end_reason LowCardinality(String) COMMENT 'cancelled, non_payment, never_started, refunded, no_method; empty: it lives',
    access_until Nullable(DateTime64(6, 'UTC')) COMMENT 'end of the access after the change, UTC; NULL: no access',
    changed_at DateTime64(6, 'UTC') COMMENT 'when it changed, UTC',
    stream_partition UInt32 COMMENT 'partition of billing.subscription.events where the change stands; 4294967295: written by a backfill',
    stream_offset UInt64 COMMENT 'offset of the change in that partition',
    inserted_at DateTime64(3, 'UTC') COMMENT 'when the row was written here, UTC'
)
AS SELECT * FROM subscription_change_versions FINAL;

CREATE TABLE IF NOT EXISTS subscription_period_versions
(
    subscription_id UUID COMMENT 'the subscription',
    number UInt32 COMMENT 'of the period, over all lives; used once',
    version UInt64 COMMENT 'of the subscription when this row was written; grows with every change, over all lives',
    life UInt32 COMMENT 'of the subscription, to which the period belongs',
    client_id LowCardinality(String) COMMENT 'the API client that owns the subscription',
    customer_id String COMMENT 'the customer, by the client''s own id',
    plan LowCardinality(String) COMMENT 'what the customer subscribes to, by the client''s own id',
    price_id UUID COMMENT 'the version of the price',
    amount Int64 COMMENT 'price of the period, minor units of currency',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    status LowCardinality(String) COMMENT 'PAID; OPEN: found unpaid afterwards; REFUNDED: given back whole; CUT: paid, and ended before its time',
    paid_by UUID COMMENT 'the payment',
    start_at DateTime64(6, 'UTC') COMMENT 'first moment of the period, UTC',
    end_at DateTime64(6, 'UTC') COMMENT 'end of the period, which is the start of the next one, UTC',
    created_at DateTime64(6, 'UTC') COMMENT 'when the customer first subscribed, UTC',
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'when the row was written here, UTC'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(created_at)
ORDER BY (toDate(created_at), subscription_id, number)
SETTINGS non_replicated_deduplication_window = 1000;

-- One row per period that was sold.
CREATE OR REPLACE VIEW subscription_periods
(
    subscription_id UUID COMMENT 'the subscription',
    number UInt32 COMMENT 'of the period, over all lives; used once',
    version UInt64 COMMENT 'of the subscription when this row was written; grows with every change, over all lives',
    life UInt32 COMMENT 'of the subscription, to which the period belongs',
    client_id LowCardinality(String) COMMENT 'the API client that owns the subscription',
    customer_id String COMMENT 'the customer, by the client''s own id',
    plan LowCardinality(String) COMMENT 'what the customer subscribes to, by the client''s own id',
    price_id UUID COMMENT 'the version of the price',
    amount Int64 COMMENT 'price of the period, minor units of currency',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    status LowCardinality(String) COMMENT 'PAID; OPEN: found unpaid afterwards; REFUNDED: given back whole; CUT: paid, and ended before its time',
    paid_by UUID COMMENT 'the payment',
    start_at DateTime64(6, 'UTC') COMMENT 'first moment of the period, UTC',
    end_at DateTime64(6, 'UTC') COMMENT 'end of the period, which is the start of the next one, UTC',
    created_at DateTime64(6, 'UTC') COMMENT 'when the customer first subscribed, UTC',
    inserted_at DateTime64(3, 'UTC') COMMENT 'when the row was written here, UTC'
)
AS SELECT * FROM subscription_period_versions FINAL;

CREATE TABLE IF NOT EXISTS renewal_attempt_versions
(
    payment_id UUID COMMENT 'the payment',
    subscription_id UUID COMMENT 'the subscription',
    version UInt64 COMMENT 'of the subscription when this row was written; grows with every change, over all lives',
    client_id LowCardinality(String) COMMENT 'the API client that owns the subscription',
    customer_id String COMMENT 'the customer, by the client''s own id',
    plan LowCardinality(String) COMMENT 'what the customer subscribes to, by the client''s own id',
    period UInt32 COMMENT 'number of the period to be paid',
    number UInt32 COMMENT 'of the attempt at the period, from 1',
    purpose LowCardinality(String) COMMENT 'FIRST: starts a life; RENEWAL: charges the saved method; PAY: the customer pays a declined renewal',
    trigger LowCardinality(String) COMMENT 'SCHEDULE, RETRY, METHOD: the customer named another one, CUSTOMER',
    state LowCardinality(String) COMMENT 'REQUESTED, PENDING, UNKNOWN, NOT_SENT while it is open; PAID, FAILED, WITHDRAWN, STRAY: captured without need and given back',
    decline LowCardinality(String) COMMENT 'why it failed, as far as it decides what follows: SOFT, WEAK, CUSTOMER, DEAD, OURS: no decline but a fault of ours or the provider; empty: it did not fail',
    reason LowCardinality(String) COMMENT 'why it failed; empty: it did not',
    amount Int64 COMMENT 'minor units of currency',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    provider LowCardinality(String) COMMENT 'the payment provider, by its name',
    method_id Nullable(UUID) COMMENT 'the saved method that is charged; NULL: the customer pays on a page',
    requested_at DateTime64(6, 'UTC') COMMENT 'when it was requested, UTC',
    ended_at Nullable(DateTime64(6, 'UTC')) COMMENT 'when its outcome was known, UTC; NULL: it is open',
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'when the row was written here, UTC'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(requested_at)
ORDER BY (toDate(requested_at), payment_id)
SETTINGS non_replicated_deduplication_window = 1000;

-- One row per payment that was tried for a period, first payments included.
CREATE OR REPLACE VIEW renewal_attempts
(
    payment_id UUID COMMENT 'the payment',
    subscription_id UUID COMMENT 'the subscription',
    version UInt64 COMMENT 'of the subscription when this row was written; grows with every change, over all lives',
    client_id LowCardinality(String) COMMENT 'the API client that owns the subscription',
    customer_id String COMMENT 'the customer, by the client''s own id',
    plan LowCardinality(String) COMMENT 'what the customer subscribes to, by the client''s own id',
    period UInt32 COMMENT 'number of the period to be paid',
    number UInt32 COMMENT 'of the attempt at the period, from 1',
    purpose LowCardinality(String) COMMENT 'FIRST: starts a life; RENEWAL: charges the saved method; PAY: the customer pays a declined renewal',
    trigger LowCardinality(String) COMMENT 'SCHEDULE, RETRY, METHOD: the customer named another one, CUSTOMER',
    state LowCardinality(String) COMMENT 'REQUESTED, PENDING, UNKNOWN, NOT_SENT while it is open; PAID, FAILED, WITHDRAWN, STRAY: captured without need and given back',
    decline LowCardinality(String) COMMENT 'why it failed, as far as it decides what follows: SOFT, WEAK, CUSTOMER, DEAD, OURS: no decline but a fault of ours or the provider; empty: it did not fail',
    reason LowCardinality(String) COMMENT 'why it failed; empty: it did not',
    amount Int64 COMMENT 'minor units of currency',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    provider LowCardinality(String) COMMENT 'the payment provider, by its name',
    method_id Nullable(UUID) COMMENT 'the saved method that is charged; NULL: the customer pays on a page',
    requested_at DateTime64(6, 'UTC') COMMENT 'when it was requested, UTC',
    ended_at Nullable(DateTime64(6, 'UTC')) COMMENT 'when its outcome was known, UTC; NULL: it is open',
    inserted_at DateTime64(3, 'UTC') COMMENT 'when the row was written here, UTC'
)
AS SELECT * FROM renewal_attempt_versions FINAL;
