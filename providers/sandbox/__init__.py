"""The payment providers, imitated over HTTP in a separate process: their APIs, signatures and faults. Knows nothing of
our payments, database or topics; it shares no code with the adapters but settings and money."""
