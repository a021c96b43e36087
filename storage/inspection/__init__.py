"""Queries of the auditor, the demo and the benchmarks. They share no code with the writers, so that a fault of a writer
is not repeated in its check; they change nothing but what a benchmark copies."""
