"""When YooKassa's API says no."""

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
    """Nothing was done. ``parameter``: what of the request is wrong."""

    def __init__(self, status: int, description: str, parameter: str | None = None) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameter = parameter
