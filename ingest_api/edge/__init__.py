"""HTTP below the endpoints: connections, bodies, headers, request context, and the direct path of the busiest routes.
It knows nothing of payments."""
