"""The double-entry ledger: accounts, postings and the rule that every posting balances; the trial balance of a day, and
the record of a day that is closed. Not here: when money moves."""
