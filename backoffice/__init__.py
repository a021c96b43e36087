"""What an operator can do with the service: correct, switch, replay, audit, compare, rebuild.

Functions return values and print nothing. What a person does takes their name and a reason. Not here: how results are
shown (`cli/`, `admin/`), SQL (`storage/`), and any decision about a payment (`billing/`).
"""
