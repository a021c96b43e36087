"""A payment: its model, its life cycle, and `decide()`, which derives the consequences of one message.

Pure functions over immutable values. Not here: storing, publishing and calling providers.
"""
