"""The Faust app and its agents: payments, provider calls, callbacks. They carry out what the domain decides."""
