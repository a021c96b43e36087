"""Request bodies: bounded in size and depth, JSON where a command is expected, never with a card number."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Final

import msgspec
from starlette.requests import Request

from ingest_api.problems import MAX_ERRORS, MAX_POINTER, FieldError, Problem, ProblemError, escape_pointer
from runtime.http import bodies
from runtime.http.bodies import BodyTooLarge
from runtime.logging.card_numbers import holds_card_number, may_hold_card_number

#: The rest of the body is not read, so the connection cannot be used again.
_CLOSE: Final = {"Connection": "close"}


async def read_body(request: Request, limit: int) -> bytes:
    """The raw body; 413 beyond ``limit`` bytes."""
    try:
        return await bodies.read_body(request, limit)
    except BodyTooLarge:
        detail = f"the limit is {limit} bytes"
        raise ProblemError(Problem.BODY_TOO_LARGE, detail, headers=_CLOSE, limit_bytes=limit) from None


def require_json(request: Request) -> None:
    """415 unless the body is declared as JSON."""
    media_type = request.headers.get("content-type", "").split(";", 1)[0].strip().lower()
    if media_type != "application/json":
        raise ProblemError(Problem.UNSUPPORTED_MEDIA_TYPE, headers={"Accept": "application/json"})


#: Levels of nested objects and arrays. The deepest valid request has four.
MAX_DEPTH: Final = 16

_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_OTHER_THAN_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_OPENING: Final = b"[{"

#: Fields in which shops keep trade codes (EAN): 13 digits with the check digit of one are no card number there.
TRADE_CODE_FIELDS: Final = ("product_id", "metadata")


async def json_body(request: Request, limit: int) -> bytes:
    """The raw body; 415, 413, 400 for one nested too deep or with a member twice, 422 for a card number in it."""
    require_json(request)
    body = await read_body(request, limit)
    check_depth(body)
    check_members(body)
    check_cards(body)
    return body


def check_depth(body: bytes) -> None:
    """400 when brackets are nested deeper than :data:`MAX_DEPTH`."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return  # most requests: no need to count levels
    depth = 0
    for bracket in _STRINGS.sub(b"", body).translate(None, _OTHER_THAN_BRACKETS):
        depth += 1 if bracket in _OPENING else -1
        if depth > MAX_DEPTH:
            raise ProblemError(Problem.MALFORMED_JSON, f"nested deeper than {MAX_DEPTH} levels")


def check_members(body: bytes) -> None:
    """400 for an object that has a member twice: parsers differ in which of the two they take."""
    with suppress(ValueError, RecursionError):  # the parser of the endpoint refuses it
        json.loads(body, object_pairs_hook=_once)


def check_cards(body: bytes) -> None:
    """422 that names the fields when a body contains a card number, whether or not its digits are escaped."""
    if b"\\u" not in body and not may_hold_card_number(body):
        return
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return  # not JSON: the parser of the endpoint refuses it
    pointers = list(_cards_in(document, "", may_be_trade_code=False))
    if pointers:
        raise card_numbers(pointers)


def card_numbers(pointers: Iterable[str]) -> ProblemError:
    """The problem that names the fields that contain a card number."""
    shown = list(pointers)[:MAX_ERRORS]
    return ProblemError(
        Problem.CARD_NUMBER, errors=[FieldError(name[:MAX_POINTER], "Contains a card number") for name in shown]
    )


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        raise ProblemError(Problem.MALFORMED_JSON, "a member is in an object twice")
    return found


def _cards_in(value: Any, pointer: str, *, may_be_trade_code: bool) -> Iterator[str]:
    """Pointers to what contains a card number. A name that contains one is pointed to by its object: it is never
    repeated."""
    match value:
        case dict():
            for name, member in value.items():
                if holds_card_number(name):
                    yield pointer
                    continue
                is_code = may_be_trade_code or name in TRADE_CODE_FIELDS
                yield from _cards_in(member, f"{pointer}/{escape_pointer(name)}", may_be_trade_code=is_code)
        case list():
            for index, member in enumerate(value):
                yield from _cards_in(member, f"{pointer}/{index}", may_be_trade_code=may_be_trade_code)
        case str() | int() | float() if holds_card_number(str(value), may_be_trade_code=may_be_trade_code):
            yield pointer
