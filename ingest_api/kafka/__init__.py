"""Kafka as ingest uses it: it produces commands and callbacks, and consumes replies and payment changes. Topics, client
options and retries belong to ``runtime/kafka``."""
