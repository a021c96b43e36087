"""Which processes of the service run: their leases. Not here: what a process does with its place."""
