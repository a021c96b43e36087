"""Dead letters: list, read, replay and discard them. Not here: writing one (`runtime/kafka/`)."""
