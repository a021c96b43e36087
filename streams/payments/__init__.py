"""The payments agent, the only writer of payments, and the follow-ups of its open operations. The rules of a payment are
in `billing.payments`.
"""
