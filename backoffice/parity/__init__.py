"""Compare ClickHouse with the books in Postgres day by day, and send missing rows again."""
