"""What a person on the staff may be."""

from enum import StrEnum


class Role(StrEnum):
    VIEWER = "viewer"
    """Reads payments without contacts, and reports."""
    SUPPORT = "support"
    """Helps customers: reads contacts with a reason, acts on payments within the support limit."""
    FINANCE = "finance"
    """Refunds, corrects, approves, works on discrepancies."""
    ADMIN = "admin"
    """All of that; providers, API keys, staff, and the trail of everybody."""
