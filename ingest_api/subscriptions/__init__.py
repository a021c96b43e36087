"""The endpoints of plans and subscriptions: make plans, subscribe, act, read, list, follow; their request and response
models. The rules belong to ``billing/subscriptions``."""
