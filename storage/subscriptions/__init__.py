"""Subscriptions in Postgres: what the subscriptions agent writes, and what others read."""
