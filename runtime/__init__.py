"""What every process needs: settings, logging, metrics, retries, Kafka and Postgres clients, the process shell.

Knows no noun of billing but topics and envelopes. Not here: anything that only one process does.
"""
