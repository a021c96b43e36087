"""Refunds in bulk for people: files, what would happen, approval, progress, the result."""
