"""Delivers events of payments, subscriptions and clearing to others: signals to RabbitMQ, rows to ClickHouse. Each sink is a process
of its own around one :class:`sinks.delivery.Delivery`.

Not here: the contents of signals (``billing.signals``) and of rows (``analytics.translate``).
"""
