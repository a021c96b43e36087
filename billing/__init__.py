"""The domain of the billing service: what a payment is, what may happen to it, and what follows.

Pure and synchronous: nothing here opens a socket, a file or a database; time and ids come in as arguments.
"""
