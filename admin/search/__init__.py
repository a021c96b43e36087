"""Finding payments: what a person types becomes point look-ups and bounded scans."""
