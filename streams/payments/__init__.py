"""The payments agent, the one writer of payments, and the follow-ups of its open operations."""
