"""Kafka clients and topics: connection options, publishing, following a topic, dead letters."""
