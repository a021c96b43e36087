"""ClickHouse: schema, migrations and named reports."""
