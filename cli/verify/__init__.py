"""The auditor: ``billing verify`` reads what every part holds and says where they disagree.

One file per source; ``audit.py`` puts them together. Nothing here uses the code that writes what is checked.
"""
