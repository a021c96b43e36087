"""The admin process: report pages for people, the analytics API for programs. Not here: the reports themselves
(`analytics/`), and what an operator does (`backoffice/`)."""
