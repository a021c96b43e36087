"""ClickHouse: schema, migrations, and how a payment's change becomes rows.

Migrations are SQL files run in order by :func:`analytics.migrate.migrate`; the sink that fills the tables is in
``sinks``.
"""
