"""Dead letters: read them from the topic, send one to its topic again. Not here: how they are shown."""
