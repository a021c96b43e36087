"""Whether a provider may be called: operators' switches and open circuit breakers. The breakers themselves run in
``streams.provider_calls``."""
