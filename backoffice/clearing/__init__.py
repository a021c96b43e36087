"""What an operator can do about clearing: run a day, see how days stand, decide on discrepancies, see what is stuck. Not
here: what a run does (`reconciliation/clearing/`)."""
