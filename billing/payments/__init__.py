"""A payment's life: its model, its life cycle, and `decide()`, which says what follows from one message.

Pure functions over immutable values. Not here: storing, publishing and calling providers.
"""
