"""``billing payment``: what an operator may say about one payment."""
