"""Refusals of Yandex Pay's API, and carts that are wrong."""


class Refused(Exception):
    """A refusal. The order is unchanged."""

    def __init__(self, status: int, code: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.code = code
        self.reason = reason


class CartProblem(ValueError):
    """The cart does not add up."""
