"""What others are told: signals over RabbitMQ, operations into ClickHouse. Driven by ``billing.events``.

Each sink is a process of its own (``signals_worker``, ``analytics_worker``) around one :class:`sinks.delivery.Delivery`.
"""
