"""HTTP for every process that serves it. Not here: routes, and the problem types of a service."""
