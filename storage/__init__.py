"""Postgres: tables, queries and migrations. All SQL of the service that runs on Postgres lives here."""
