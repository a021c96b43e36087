"""The JSON body of a command: of bounded size and depth, and without a card number."""

import re
from typing import Final

import msgspec
from starlette.requests import Request

from ingest_api.edge.bodies import read_body, require_json
from ingest_api.problems import Problem, ProblemError
from runtime.logging.card_numbers import holds_card_number, may_hold_card_number

#: Levels of objects and arrays in each other. The deepest request has four.
MAX_DEPTH: Final = 16

_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_OTHER_THAN_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_OPENING: Final = b"[{"


async def json_body(request: Request, limit: int) -> bytes:
    """The raw body; 415, 413, 400 for too deep, 422 for a card number in it."""
    require_json(request)
    body = await read_body(request, limit)
    check_depth(body)
    check_cards(body)
    return body


def check_depth(body: bytes) -> None:
    """400 when brackets stand deeper in each other than :data:`MAX_DEPTH`."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return  # most requests: no need to look closer
    depth = 0
    for bracket in _STRINGS.sub(b"", body).translate(None, _OTHER_THAN_BRACKETS):
        depth += 1 if bracket in _OPENING else -1
        if depth > MAX_DEPTH:
            raise ProblemError(Problem.MALFORMED_JSON, f"nested deeper than {MAX_DEPTH} levels")


def check_cards(body: bytes) -> None:
    """422 when a card number stands in a body, however its digits are spelled."""
    if b"\\u" in body:  # digits may be spelled as escapes
        try:
            body = msgspec.json.encode(msgspec.json.decode(body))
        except (msgspec.MsgspecError, RecursionError):
            return  # not JSON: it is refused as that
    if may_hold_card_number(body) and holds_card_number(body.decode(errors="replace")):
        raise ProblemError(Problem.CARD_NUMBER)
