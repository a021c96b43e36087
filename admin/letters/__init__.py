"""Dead letters: grouped by cause, one letter masked, replay and discard."""
