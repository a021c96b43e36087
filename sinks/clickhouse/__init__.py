"""Payments and subscriptions as rows in ClickHouse: the sink, the inserter, the backfill from the journal."""
