"""What an operator can do with the service: correct, query a provider, switch, replay, audit, compare, rebuild.

Functions take typed arguments, return values and print nothing. An action takes the operator's name and reason and
leaves a row in ``operator_actions``; reads, and the upkeep that jobs run on schedule (parity, backfill, journal
partitions, migration), do not. Not here: how results are shown (`cli/`, `admin/`), SQL (`storage/`), and any decision
about a payment (`billing/`).
"""
