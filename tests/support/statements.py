"""A whole day of a provider's statement."""

from datetime import date

from providers.base import Provider
from providers.statements import StatementLine


async def day_read(provider: Provider, day: date) -> list[StatementLine]:
    """Every line of every part."""
    return [line for part in provider.parts(day) async for page in provider.pages(part) for line in page.lines]
