"""The person behind an action."""

import msgspec


class ActionRefused(Exception):
    """The action cannot be carried out; nothing was changed. The message says why."""


class InvalidArgument(ActionRefused):
    """An argument of the action is not valid."""


class Operator(msgspec.Struct, frozen=True):
    """Who acts, and why. Raises :class:`ValueError` if either is blank."""

    name: str
    reason: str

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("the operator's name is required")
        if not self.reason.strip():
            raise ValueError("a reason is required")
