"""The renewal job: whoever has an appointment in the past is woken, page by page, at a pace; a brake stops an absurd run."""
