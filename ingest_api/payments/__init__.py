"""The endpoints of payments: create, act, read, list, follow; their request and response models. The rules of payments
belong to ``billing/payments``."""
