"""``billing timeline``: all that happened to one payment, in order, and what it was at any moment."""
