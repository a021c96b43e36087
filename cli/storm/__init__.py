"""``billing storm``: payments while every provider misbehaves, and what the books and the providers say afterwards."""
