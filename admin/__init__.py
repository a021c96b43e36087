"""Admin panel and monitoring pages."""
