"""The API keys of clients, for administrators: seen, issued, revoked, as on the command line. A key is shown once."""
