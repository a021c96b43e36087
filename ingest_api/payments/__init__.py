"""The payment routes of the REST API: create, act, read, list, follow."""
