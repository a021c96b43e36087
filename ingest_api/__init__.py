"""The REST API: commands and provider callbacks in, written to Kafka before they are answered; reads out."""
