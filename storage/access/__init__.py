"""API clients and the hashes of their keys."""
