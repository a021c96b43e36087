"""Refusals of YooKassa's API."""

from typing import Final

#: Status → the code of its error.
CODES: Final = {
    400: "invalid_request",
    401: "invalid_credentials",
    404: "not_found",
    429: "too_many_requests",
    500: "internal_server_error",
}


class Refused(Exception):
    """Nothing was done. ``parameter``: the invalid part of the request."""

    def __init__(self, status: int, description: str, parameter: str | None = None) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameter = parameter
