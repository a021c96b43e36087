"""The renewal job: subscriptions with an appointment in the past are woken, page by page, at a pace; a brake stops an absurd run."""
