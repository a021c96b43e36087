"""State of the streams: consumer positions, parked callbacks, resolved dead letters."""
