"""``billing demo``: customers who buy, on the running stack, and the evidence of what became of it."""
