"""``/v1/clearing`` for programs: how days stand, discrepancies and decisions on them, the books' days, reports. What is
decided is checked and written by ``backoffice/clearing``; nothing here writes a payment."""

from typing import Final

from admin.clearing import days, discrepancies, reports
from admin.clearing.context import AT_ONCE, Clearing

__all__ = ["AT_ONCE", "ROUTERS", "Clearing"]

ROUTERS: Final = (days.router, days.reads, discrepancies.reads, discrepancies.router, reports.router)
