"""Who may call: API keys, scopes and rate limits of clients."""
