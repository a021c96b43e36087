"""The callbacks agent: finds the payment of each verified callback. Signatures were checked when the callback was
received; what a callback changes is decided by its payment.
"""
