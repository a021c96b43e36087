"""The journal of every message processed: records, partitions, replay, timelines."""
