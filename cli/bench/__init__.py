"""``billing bench``: how fast the running stack is, beside what the machine could do at best."""
