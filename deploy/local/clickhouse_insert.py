"""Finds where the statement of an INSERT ends and its rows begin, the way ClickHouse's own parser does."""

import re
from dataclasses import dataclass
from typing import Final

_START: Final = re.compile(rb"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*INSERT\s+INTO\b", re.IGNORECASE | re.DOTALL)
_TOKEN: Final = re.compile(
    rb"""
    '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | `(?:[^`\\]|\\.)*` | --[^\n]* | /\*.*?\*/
    | (?P<open>\() | (?P<close>\))
    | (?P<format>\bFORMAT\s+(?P<name>\w+))
    | (?P<settings>\bSETTINGS\b)
    | (?P<other>\b(?:VALUES|SELECT|WITH|FROM)\b)
    | \w+ | .
    """,
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_GAP: Final = re.compile(rb"[ \t\f]*\r?\n?")


@dataclass(frozen=True)
class Insert:
    """An INSERT that brings its rows in some format: the statement up to where a file may be named, the rest of it
    (its settings), the format, the rows."""

    head: str
    settings: str
    format: str
    rows: bytes

    def from_file(self, path: str) -> str:
        """The same statement, its rows in an uncompressed file."""
        return f"{self.head} FROM INFILE '{path}' COMPRESSION 'none' {self.settings} FORMAT {self.format}"


def parse_insert(text: bytes) -> Insert | None:
    """``None`` where the engine takes the text as it is: another statement, or an INSERT of VALUES or a SELECT."""
    start = _START.match(text)
    if start is None:
        return None
    depth, place, settings = 0, start.end(), None
    while (token := _TOKEN.match(text, place)) is not None:
        depth += bool(token["open"]) - bool(token["close"])
        if depth == 0 and token["other"]:
            return None
        if depth == 0 and token["settings"] and settings is None:
            settings = token.start()
        if depth == 0 and token["format"]:
            if token["name"].upper() == b"VALUES":
                return None
            gap = _GAP.match(text, token.end())
            assert gap is not None
            head = text[: token.start() if settings is None else settings]
            tail = b"" if settings is None else text[settings : token.start()]
            return Insert(head.decode().strip(), tail.decode().strip(), token["name"].decode(), text[gap.end() :])
        place = token.end()
    return None
