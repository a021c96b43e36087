"""Refunds in bulk: files of refunds as jobs (`jobs.py`) and their lines (`rows.py`)."""
