"""What clearing reads of payments. Not here: writing them, which only their agent does."""
