"""The ``billing`` command: parses arguments, calls `backoffice/` or a process, prints the result. Not here: what an
operator's action does (`backoffice/`). Only demo, storm and bench talk to the services themselves."""
