"""The double-entry ledger: accounts, postings and the rule that every posting balances. Not here: when money moves."""
