"""Provider callbacks: verified, stored in Kafka, answered. Their content is interpreted by the callbacks agent."""
