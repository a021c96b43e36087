"""Queries of lists."""

from collections import Counter

from starlette.requests import Request

from ingest_api.edge.bodies import card_numbers
from ingest_api.problems import MAX_POINTER, FieldError, Problem, ProblemError
from runtime.logging.card_numbers import holds_card_number


async def single_values(request: Request) -> None:
    """422 for a card number in the query, and for a parameter that is in it twice: FastAPI would take the last."""
    items = request.query_params.multi_items()
    found = [name for name, value in items if _holds_card_number(name, value)]
    if found:
        raise card_numbers("" if holds_card_number(name) else f"/{name}" for name in found)
    repeated = [name for name, times in Counter(name for name, _ in items).items() if times > 1]
    if repeated:
        errors = [FieldError(f"/{name}"[:MAX_POINTER], "Is in the query twice") for name in repeated]
        raise ProblemError(Problem.INVALID_REQUEST, errors=errors)


def _holds_card_number(name: str, value: str) -> bool:
    return holds_card_number(name) or holds_card_number(value, may_be_trade_code=name.startswith("metadata["))
