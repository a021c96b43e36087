"""The books as a whole: trial balances, and days that are closed. Not here: a payment's own postings, which are saved with
the payment."""
