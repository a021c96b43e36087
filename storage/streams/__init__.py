"""State of the streams: consumer positions, parked messages, resolutions of dead letters. The messages themselves are in
Kafka."""
