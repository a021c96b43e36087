"""Refunds in bulk: the dry run of a file (`judge.py`), and its rows on their way to payments (`job.py`)."""
