"""The report of a day for finance: one list of sections, written as HTML, CSV or JSON. A section says what it shows and
has one table; another one is a function in ``sections.py``."""

from backoffice.clearing.report.build import build
from backoffice.clearing.report.model import Report
from backoffice.clearing.report.page import as_html
from backoffice.clearing.report.spreadsheet import as_csv

__all__ = ["Report", "as_csv", "as_html", "build"]
