"""``billing storm``: payments while every provider fails at random, then ledger against the providers' own records."""
