"""Selection of the provider when the client names none: rules, availability of the providers, choice. Failover to the
next provider belongs to ``billing/payments``."""
