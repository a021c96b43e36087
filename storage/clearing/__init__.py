"""Statements and discrepancies in Postgres: staging, the join of lines with our operations, both sides of an operation,
discrepancies with their history, what is stuck. Not here: what a difference is called (`billing/clearing/`), reading a
statement (`providers/`), writing payments, which only their agent does."""
