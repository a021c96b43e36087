"""What a subscription is and what follows from a message to it. Pure: no clock, no storage."""
