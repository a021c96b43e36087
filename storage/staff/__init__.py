"""People at work in Postgres: accounts, credentials, sessions, attempts to sign in, and the trail of what they saw and did."""
