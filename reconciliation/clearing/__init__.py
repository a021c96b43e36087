"""Clearing: a run reads a provider's statement of a business day, joins it with the books, names what differs, and has the
payments concerned ask. Not here: what a difference is called (`billing/clearing/`), tables (`storage/clearing/`)."""
