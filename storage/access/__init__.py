"""API clients and the hashes of their keys. Keys are generated in ``runtime``; scopes are defined in ``billing.access``."""
