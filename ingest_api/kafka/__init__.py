"""Ingest's side of Kafka: commands and callbacks out, replies and payment changes in."""
