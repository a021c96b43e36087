"""Admission of API clients: key, scope and rate limit of every request. Keys are stored and created elsewhere
(``storage/access``, ``backoffice``)."""
