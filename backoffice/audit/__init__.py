"""The audit: compares the records of Postgres, Kafka, ClickHouse, RabbitMQ and the providers, and reports violations.

One file per source; ``audit.py`` runs them all, and the checks of Postgres alone. Nothing here uses the code that
writes what is checked.
"""
