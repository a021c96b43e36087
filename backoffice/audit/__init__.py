"""The auditor: reads what Postgres, Kafka, ClickHouse, RabbitMQ and the provider hold, and reports where they disagree.

One file per source; ``audit.py`` puts them together. Nothing here uses the code that writes what is checked.
"""
