"""Providers that pages of clearing know."""

from admin.clearing.context import Clearing
from admin.language import gettext
from admin.problems import Problem
from runtime.http.problems import ProblemError


def require_known(clearing: Clearing, provider: str) -> None:
    """Raise :class:`ProblemError` 404 where there is no such provider."""
    if provider not in clearing.settlements:
        known = ", ".join(clearing.settlements)
        raise ProblemError(Problem.NOT_FOUND, gettext("There is no provider of this name: %(names)s.", names=known))
