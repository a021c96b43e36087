"""``billing bench``: the throughput of the running stack, compared with the limits of the machine."""
