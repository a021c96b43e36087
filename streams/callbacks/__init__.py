"""The callbacks agent: parses stored provider callbacks and finds their payment."""
