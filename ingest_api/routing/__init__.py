"""Which provider a payment goes to when the client names none: rules, selection, health of the providers."""
