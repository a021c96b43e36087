"""The panel's sentences in other languages: one file of gettext for each, read by :mod:`admin.language`. ``python -m
admin.locale`` brings the files up to date with the sentences of the code."""
