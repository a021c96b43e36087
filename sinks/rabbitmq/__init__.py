"""Signals to other services over RabbitMQ: the sink and its publisher."""
