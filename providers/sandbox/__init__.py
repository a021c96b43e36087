"""The payment providers, imitated over HTTP in a process of its own: their APIs, their signatures, their faults."""
