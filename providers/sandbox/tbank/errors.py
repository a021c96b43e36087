"""Refusals of T-Bank's API."""

from typing import Final

WRONG_STATE: Final = "8"
WRONG_FIELD: Final = "201"
WRONG_TERMINAL: Final = "202"
WRONG_TOKEN: Final = "204"  # noqa: S105
TOO_LITTLE: Final = "251"
NO_PAYMENT: Final = "255"
WRONG_RECEIPT: Final = "308"
TROUBLE: Final = "9999"


class Refused(Exception):
    """A refusal. Nothing was done, except a declined charge, which has a ``status``."""

    def __init__(self, code: str, message: str, status: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
