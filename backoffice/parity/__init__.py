"""Compare ClickHouse with Postgres day by day, and send missing rows or the whole journal again. Not here: the sink
that sends rows as payments change (`sinks/`)."""
