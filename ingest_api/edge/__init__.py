"""HTTP below the routes: connections, bodies, headers, request context, the direct path of the busiest routes."""
