"""What others are told: signals over RabbitMQ, operations into ClickHouse. Driven by ``billing.events``."""
