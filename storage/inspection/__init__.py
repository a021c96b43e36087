"""Queries of the auditor, the demo and the benchmarks. They share no code with what writes the books."""
