"""``billing demo``: plays customers against the running stack and compares what every part recorded."""
