"""The provider agent: bounded calls, circuit breaker, switches, positions of unordered work."""
