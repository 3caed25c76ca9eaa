"""Names of the graph tracer."""
