"""The Faust worker: one delivery machinery, an agent per topic, and the calls to providers. It owns when and in what order
messages are processed; what follows from a message is decided in `billing`, and written by `storage`.
"""
