-- Clearing: business days, discrepancies, payouts, lost callbacks.
--
-- The same shape as 0001: ReplacingMergeTree(version) under a sorting key that never changes for a row, a view with FINAL to
-- read from. What a day adds up to is part of its row: a total that is gone from the next version is gone here too.

CREATE TABLE IF NOT EXISTS clearing_day_versions
(
    provider LowCardinality(String) COMMENT 'the payment provider, by its name',
    business_date Date COMMENT 'business day of the provider, in its own zone and from its own cut-off on',
    version UInt64 COMMENT 'of the day when this row was written; grows with every change',
    state LowCardinality(String) COMMENT 'done; open: it is tried again; suspect: the statement is doubted until a person lets it go on',
    reason String COMMENT 'why it is not done; empty: it is',
    lines UInt64 COMMENT 'lines of its statement',
    loose UInt64 COMMENT 'of these, lines that should have an operation and have none',
    booked Array(Tuple(currency LowCardinality(String), movements UInt64, amount Int64)) COMMENT 'what our books moved, by currency; amount: signed minor units',
    stated Array(Tuple(kind LowCardinality(String), method LowCardinality(String), currency LowCardinality(String), settlement_currency LowCardinality(String), delay_days Nullable(Int32), lines UInt64, amount Int64, settled Int64, fee Nullable(Int64))) COMMENT 'what the lines add up to, as in statement_totals; amounts: signed minor units',
    changed_at DateTime64(6, 'UTC') COMMENT 'when this was noted, UTC',
    stream_partition UInt32 COMMENT 'partition of billing.clearing.events where the event stands; 4294967295: written by a backfill',
    stream_offset UInt64 COMMENT 'offset of the event in that partition',
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'when the row was written here, UTC'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(business_date)
ORDER BY (business_date, provider)
SETTINGS non_replicated_deduplication_window = 1000;

-- One row per business day of a provider, after its last run.
CREATE OR REPLACE VIEW clearing_days
(
    provider LowCardinality(String) COMMENT 'the payment provider, by its name',
    business_date Date COMMENT 'business day of the provider, in its own zone and from its own cut-off on',
    version UInt64 COMMENT 'of the day when this row was written; grows with every change',
    state LowCardinality(String) COMMENT 'done; open: it is tried again; suspect: the statement is doubted until a person lets it go on',
    reason String COMMENT 'why it is not done; empty: it is',
    lines UInt64 COMMENT 'lines of its statement',
    loose UInt64 COMMENT 'of these, lines that should have an operation and have none',
    booked Array(Tuple(currency LowCardinality(String), movements UInt64, amount Int64)) COMMENT 'what our books moved, by currency; amount: signed minor units',
    stated Array(Tuple(kind LowCardinality(String), method LowCardinality(String), currency LowCardinality(String), settlement_currency LowCardinality(String), delay_days Nullable(Int32), lines UInt64, amount Int64, settled Int64, fee Nullable(Int64))) COMMENT 'what the lines add up to, as in statement_totals; amounts: signed minor units',
    changed_at DateTime64(6, 'UTC') COMMENT 'when this was noted, UTC',
    stream_partition UInt32 COMMENT 'partition of billing.clearing.events where the event stands; 4294967295: written by a backfill',
    stream_offset UInt64 COMMENT 'offset of the event in that partition',
    inserted_at DateTime64(3, 'UTC') COMMENT 'when the row was written here, UTC'
)
AS SELECT * FROM clearing_day_versions FINAL;

CREATE TABLE IF NOT EXISTS discrepancy_versions
(
    discrepancy_id UUID COMMENT 'the discrepancy',
    version UInt64 COMMENT 'of the discrepancy when this row was written; grows with every change',
    provider LowCardinality(String) COMMENT 'the payment provider, by its name',
    business_date Date COMMENT 'business day on which it was found',
    subject String COMMENT 'what it is about: operation:ID, line:DATE:REF#N or day:DATE',
    kind LowCardinality(String) COMMENT 'what differs (docs/clearing.md)',
    severity LowCardinality(String) COMMENT 'critical, high, medium, info',
    state LowCardinality(String) COMMENT 'EXPECTED: only time is lacking; OPEN: the payment asks, or the next statement decides; PERSON; RESOLVED: a statement has to confirm it; CLOSED',
    resolution LowCardinality(String) COMMENT 'what a person decided; empty: nobody did',
    owner String COMMENT 'who has taken it on; empty: nobody',
    payment_id Nullable(UUID) COMMENT 'the payment; NULL: none is known',
    operation_id Nullable(UUID) COMMENT 'the operation; NULL: none is known',
    currency LowCardinality(String) COMMENT 'ISO 4217; empty: no money differs',
    ours Nullable(Int64) COMMENT 'what our books say, signed minor units of currency; NULL: nothing',
    theirs Nullable(Int64) COMMENT 'what the statement says, signed minor units of currency; NULL: nothing',
    difference Int64 COMMENT 'theirs less ours, minor units of currency',
    asked UInt32 COMMENT 'on how many business days the payment was told of it',
    due_at Nullable(DateTime64(6, 'UTC')) COMMENT 'by when somebody has to act, UTC; NULL: nobody has to',
    opened_at DateTime64(6, 'UTC') COMMENT 'when it was found first, UTC',
    closed_at Nullable(DateTime64(6, 'UTC')) COMMENT 'when both sides agreed, or a person closed it, UTC; NULL: it is open',
    changed_at DateTime64(6, 'UTC') COMMENT 'when it last changed, UTC',
    stream_partition UInt32 COMMENT 'partition of billing.clearing.events where the event stands; 4294967295: written by a backfill',
    stream_offset UInt64 COMMENT 'offset of the event in that partition',
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'when the row was written here, UTC'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(opened_at)
ORDER BY (toDate(opened_at), discrepancy_id)
SETTINGS non_replicated_deduplication_window = 1000;

-- One row per discrepancy, as it is now.
CREATE OR REPLACE VIEW discrepancies
(
    discrepancy_id UUID COMMENT 'the discrepancy',
    version UInt64 COMMENT 'of the discrepancy when this row was written; grows with every change',
    provider LowCardinality(String) COMMENT 'the payment provider, by its name',
    business_date Date COMMENT 'business day on which it was found',
    subject String COMMENT 'what it is about: operation:ID, line:DATE:REF#N or day:DATE',
    kind LowCardinality(String) COMMENT 'what differs (docs/clearing.md)',
    severity LowCardinality(String) COMMENT 'critical, high, medium, info',
    state LowCardinality(String) COMMENT 'EXPECTED: only time is lacking; OPEN: the payment asks, or the next statement decides; PERSON; RESOLVED: a statement has to confirm it; CLOSED',
    resolution LowCardinality(String) COMMENT 'what a person decided; empty: nobody did',
    owner String COMMENT 'who has taken it on; empty: nobody',
    payment_id Nullable(UUID) COMMENT 'the payment; NULL: none is known',
    operation_id Nullable(UUID) COMMENT 'the operation; NULL: none is known',
    currency LowCardinality(String) COMMENT 'ISO 4217; empty: no money differs',
    ours Nullable(Int64) COMMENT 'what our books say, signed minor units of currency; NULL: nothing',
    theirs Nullable(Int64) COMMENT 'what the statement says, signed minor units of currency; NULL: nothing',
    difference Int64 COMMENT 'theirs less ours, minor units of currency',
    asked UInt32 COMMENT 'on how many business days the payment was told of it',
    due_at Nullable(DateTime64(6, 'UTC')) COMMENT 'by when somebody has to act, UTC; NULL: nobody has to',
    opened_at DateTime64(6, 'UTC') COMMENT 'when it was found first, UTC',
    closed_at Nullable(DateTime64(6, 'UTC')) COMMENT 'when both sides agreed, or a person closed it, UTC; NULL: it is open',
    changed_at DateTime64(6, 'UTC') COMMENT 'when it last changed, UTC',
    stream_partition UInt32 COMMENT 'partition of billing.clearing.events where the event stands; 4294967295: written by a backfill',
    stream_offset UInt64 COMMENT 'offset of the event in that partition',
    inserted_at DateTime64(3, 'UTC') COMMENT 'when the row was written here, UTC'
)
AS SELECT * FROM discrepancy_versions FINAL;

CREATE TABLE IF NOT EXISTS payout_versions
(
    payout_line_id UUID COMMENT 'the line',
    version UInt64 COMMENT 'of the line when this row was written; grows with every change',
    provider LowCardinality(String) COMMENT 'the payment provider, by its name',
    business_date Date COMMENT 'business day whose statement has the line',
    kind LowCardinality(String) COMMENT 'payout; payout_failed: it came back',
    payout_ref String COMMENT 'the provider''s id of the payout; empty: not told',
    line String COMMENT 'the provider''s id of the line',
    currency LowCardinality(String) COMMENT 'ISO 4217, of settlement',
    amount Int64 COMMENT 'minor units of currency; negative: the money left the provider',
    fee Nullable(Int64) COMMENT 'what the provider kept for it, minor units of currency; NULL: not told',
    withdrawn Bool COMMENT 'the line is not in the statement any more',
    at DateTime64(6, 'UTC') COMMENT 'when the provider made it, UTC',
    available_on Nullable(Date) COMMENT 'when the bank has it; NULL: not told',
    changed_at DateTime64(6, 'UTC') COMMENT 'when this was noted, UTC',
    stream_partition UInt32 COMMENT 'partition of billing.clearing.events where the event stands; 4294967295: written by a backfill',
    stream_offset UInt64 COMMENT 'offset of the event in that partition',
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'when the row was written here, UTC'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(business_date)
ORDER BY (business_date, payout_line_id)
SETTINGS non_replicated_deduplication_window = 1000;

-- One row per line of a payout, also of one that failed.
CREATE OR REPLACE VIEW payouts
(
    payout_line_id UUID COMMENT 'the line',
    version UInt64 COMMENT 'of the line when this row was written; grows with every change',
    provider LowCardinality(String) COMMENT 'the payment provider, by its name',
    business_date Date COMMENT 'business day whose statement has the line',
    kind LowCardinality(String) COMMENT 'payout; payout_failed: it came back',
    payout_ref String COMMENT 'the provider''s id of the payout; empty: not told',
    line String COMMENT 'the provider''s id of the line',
    currency LowCardinality(String) COMMENT 'ISO 4217, of settlement',
    amount Int64 COMMENT 'minor units of currency; negative: the money left the provider',
    fee Nullable(Int64) COMMENT 'what the provider kept for it, minor units of currency; NULL: not told',
    withdrawn Bool COMMENT 'the line is not in the statement any more',
    at DateTime64(6, 'UTC') COMMENT 'when the provider made it, UTC',
    available_on Nullable(Date) COMMENT 'when the bank has it; NULL: not told',
    changed_at DateTime64(6, 'UTC') COMMENT 'when this was noted, UTC',
    stream_partition UInt32 COMMENT 'partition of billing.clearing.events where the event stands; 4294967295: written by a backfill',
    stream_offset UInt64 COMMENT 'offset of the event in that partition',
    inserted_at DateTime64(3, 'UTC') COMMENT 'when the row was written here, UTC'
)
AS SELECT * FROM payout_versions FINAL;

CREATE TABLE IF NOT EXISTS lost_callback_versions
(
    provider LowCardinality(String) COMMENT 'the payment provider, by its name',
    business_date Date COMMENT 'business day of the operations',
    version UInt64 COMMENT 'of the day when this row was written; grows with every change',
    learnt_by Map(LowCardinality(String), UInt64) COMMENT 'how the end of operations was learnt that no callback and no answer told us of: inquiry, statement, operator → how many',
    changed_at DateTime64(6, 'UTC') COMMENT 'when this was counted, UTC',
    stream_partition UInt32 COMMENT 'partition of billing.clearing.events where the event stands; 4294967295: written by a backfill',
    stream_offset UInt64 COMMENT 'offset of the event in that partition',
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'when the row was written here, UTC'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(business_date)
ORDER BY (business_date, provider)
SETTINGS non_replicated_deduplication_window = 1000;

-- One row per business day of a provider.
CREATE OR REPLACE VIEW lost_callbacks
(
    provider LowCardinality(String) COMMENT 'the payment provider, by its name',
    business_date Date COMMENT 'business day of the operations',
    version UInt64 COMMENT 'of the day when this row was written; grows with every change',
    learnt_by Map(LowCardinality(String), UInt64) COMMENT 'how the end of operations was learnt that no callback and no answer told us of: inquiry, statement, operator → how many',
    changed_at DateTime64(6, 'UTC') COMMENT 'when this was counted, UTC',
    stream_partition UInt32 COMMENT 'partition of billing.clearing.events where the event stands; 4294967295: written by a backfill',
    stream_offset UInt64 COMMENT 'offset of the event in that partition',
    inserted_at DateTime64(3, 'UTC') COMMENT 'when the row was written here, UTC'
)
AS SELECT * FROM lost_callback_versions FINAL;

-- What the lines of a day add up to that share kind, method, currencies and delay.
CREATE OR REPLACE VIEW statement_totals
(
    provider LowCardinality(String) COMMENT 'the payment provider, by its name',
    business_date Date COMMENT 'business day of the provider',
    kind LowCardinality(String) COMMENT 'of the lines: charge, refund, refund_undone, chargeback, chargeback_undone, fee, adjustment, payout, payout_failed, reserve, release, other',
    method LowCardinality(String) COMMENT 'how the customer paid, by the provider''s name of it; empty: not told',
    currency LowCardinality(String) COMMENT 'ISO 4217, of the payment',
    settlement_currency LowCardinality(String) COMMENT 'ISO 4217, of settled and fee',
    delay_days Nullable(Int32) COMMENT 'business days from our booking to the statement; NULL: there is no booking',
    lines UInt64 COMMENT 'how many lines',
    amount Int64 COMMENT 'signed minor units of currency; positive: the provider owes us more',
    settled Int64 COMMENT 'the same in minor units of settlement_currency',
    fee Nullable(Int64) COMMENT 'what the provider kept, tax included, minor units of settlement_currency; NULL: not told'
)
AS SELECT provider, business_date, total.kind AS kind, total.method AS method, total.currency AS currency, total.settlement_currency AS settlement_currency, total.delay_days AS delay_days, total.lines AS lines, total.amount AS amount, total.settled AS settled, total.fee AS fee
FROM clearing_day_versions FINAL ARRAY JOIN stated AS total;

-- What our books moved at a provider in a business day, by currency.
CREATE OR REPLACE VIEW booked_totals
(
    provider LowCardinality(String) COMMENT 'the payment provider, by its name',
    business_date Date COMMENT 'business day of the provider',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    movements UInt64 COMMENT 'operations that moved money',
    amount Int64 COMMENT 'signed minor units of currency; positive: the provider owes us more'
)
AS SELECT provider, business_date, total.currency AS currency, total.movements AS movements, total.amount AS amount
FROM clearing_day_versions FINAL ARRAY JOIN booked AS total;
