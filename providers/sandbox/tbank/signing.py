"""T-Bank's token: SHA-256 over the scalar fields and the password, sorted by name."""

import hashlib
from collections.abc import Mapping
from typing import Any


def token(fields: Mapping[str, Any], password: str) -> str:
    """The token of a request or a notification."""
    parts = {}
    for name, value in fields.items():
        if name == "Token" or value is None or isinstance(value, dict | list):
            continue
        parts[name] = {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
    parts["Password"] = password  # whatever the sender says
    return hashlib.sha256("".join(parts[name] for name in sorted(parts)).encode()).hexdigest()
