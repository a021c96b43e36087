"""``billing dead-letters``: messages that could not be processed: looked at, sent again, or let go."""
