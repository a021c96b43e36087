"""The ``billing`` command: runs and inspects every part of the service."""
