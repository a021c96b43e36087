"""Payments as rows: written by the batch statement, read singly and in lists. Journal rows are read in
``storage.journal``."""
