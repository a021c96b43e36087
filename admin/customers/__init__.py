"""A customer's page: everything about one customer at all shops. Contacts are masked; one who may reveals them, with a
reason, and it is on the trail."""
