"""Delivery from Kafka to aggregates: order, repeats, batches, fencing, publication, dead letters, parked messages. It knows
no aggregate: each binds its load, decide and save.
"""
