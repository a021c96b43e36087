"""What an API key may be used for."""

from enum import StrEnum


class Scope(StrEnum):
    PAYMENTS_READ = "payments:read"
    PAYMENTS_WRITE = "payments:write"
    SUBSCRIPTIONS_READ = "subscriptions:read"
    SUBSCRIPTIONS_WRITE = "subscriptions:write"
    ANALYTICS_READ = "analytics:read"
    """Reports on the client's own payments."""
    ANALYTICS_ALL = "analytics:all"
    """Reports on the payments of all clients, and on the service."""
    ADMIN = "admin"
    """All of them."""
