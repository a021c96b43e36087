"""Providers: whether they are called, what waits for them, and the switch."""
