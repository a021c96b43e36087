"""A customer's saved methods: listed, read and removed. They are saved by payments with ``save_method``, and charged by
payments with ``payment_method_id``."""
