"""The provider agent: calls providers within bounds, switches and circuit breakers. How a provider is called is in
`providers`; what a result changes is decided by its payment.
"""
