"""The subscriptions agent, the only writer of subscriptions. The rules are in `billing.subscriptions`."""
