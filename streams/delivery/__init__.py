"""Delivery from Kafka, the same for every agent: order, repeats, gaps, batches."""
