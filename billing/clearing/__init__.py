"""Clearing: what a provider's statement and our books say about the same movements, what the differences are called, and
what counts as stuck. Pure. Not here: reading statements (`providers/`), joining them with the books
(`storage/clearing/`), runs (`reconciliation/clearing/`)."""
