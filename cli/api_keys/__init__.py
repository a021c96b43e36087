"""``billing api-keys``: the API clients and the keys that let them in."""
