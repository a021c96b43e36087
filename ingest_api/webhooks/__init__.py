"""Provider callbacks: verified, stored in Kafka, answered."""
