"""The REST API: it writes commands and provider callbacks to Kafka before it answers them, and reads committed payments
from Postgres. It decides nothing that the payments agent does not decide again, and never calls a provider for money."""
