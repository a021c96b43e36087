"""Logging of every process: JSON lines, with secrets, contacts and card numbers masked."""
