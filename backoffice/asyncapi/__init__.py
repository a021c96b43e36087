"""The contract with other services, generated from the code: the AsyncAPI document and the JSON Schemas of signals.
Not here: the messages themselves (`billing/`)."""
