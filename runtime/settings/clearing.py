"""What processes know of clearing, whether they run it or close its days."""

from datetime import date

from runtime.settings.dependencies import PostgresSettings


class ClearingSettings(PostgresSettings):
    """Clearing."""

    clearing_from: date | None = None
    """The first business day that is cleared, such as 2026-12-01; without it, that of the first payment."""
