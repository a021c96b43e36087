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
    CLEARING_READ = "clearing:read"
    """How days stand, discrepancies, reports: of the payments of all clients."""
    CLEARING_WRITE = "clearing:write"
    """Decide on discrepancies, ask for runs."""
    CLEARING_CLOSE = "clearing:close"
    """Close days of the books."""
    ADMIN = "admin"
    """All of them."""
