"""The domain of the billing service: what a payment is, how it may change, and what each change causes.

Pure and synchronous: nothing here opens a socket, a file or a database; time and ids come in as arguments.
"""
