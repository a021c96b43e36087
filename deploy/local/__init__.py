"""The local stack: real servers and our own processes, started, supervised and stopped without Docker."""
