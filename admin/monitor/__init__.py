"""The live page: the books, the oldest first, with what the last two hours brought."""

from admin.monitor.pages import monitor_pages

__all__ = ["monitor_pages"]
