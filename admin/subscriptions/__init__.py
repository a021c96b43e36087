"""A subscription's page and what can be done on it: form, preview, confirmation, command. No page writes a subscription:
each action is a message to it, decided by the same ``decide()`` that made the preview."""
