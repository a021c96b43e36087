"""Postgres: tables, migrations, and all SQL that runs on Postgres. Owns how state is stored and read back.

It does not decide anything: what a payment becomes is decided in ``billing``, when to write is decided in ``streams``.
"""
