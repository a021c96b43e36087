"""The live page, and the alerts that fire."""

from admin.monitor.alerts import alert_pages
from admin.monitor.pages import monitor_pages

__all__ = ["alert_pages", "monitor_pages"]
