"""``billing report``: the named reports of ``analytics`` as tables, CSV, JSON or pictures."""
