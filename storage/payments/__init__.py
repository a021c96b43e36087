"""Payments as rows: written by the batch statement, read one by one and in lists."""
