"""The journal of every processed message: rows, monthly partitions, replay, timelines. The rows are written with the state
they led to, by ``storage.payments.save``."""
