"""What a provider sent, read within bounds: depth of its JSON, size of its answer, texts that our stores take."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

import aiohttp
import msgspec

from billing.errors import InvalidMessage

T = TypeVar("T")

#: Some senders write it before their JSON, although RFC 8259 forbids it and lets a reader ignore it.
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
#: Bytes of an answer. The longest that are expected, a page of a hundred payments, have less than one MB.
ANSWER_LIMIT: Final = 8 * 1024 * 1024
#: Characters of a text that we keep: ids, names of methods, URLs. Stripe's pages have the longest, of one or two thousand.
TEXT_LIMIT: Final = 8192
#: Digits of a card that we keep.
LAST_DIGITS: Final = 4


class AnswerTooLong(aiohttp.ClientPayloadError):
    """A provider's answer exceeds :data:`ANSWER_LIMIT`; the rest was not read."""


def read_json(body: bytes | msgspec.Raw, type: type[T]) -> T:
    """Decode JSON. Raises :class:`msgspec.MsgspecError`, also for JSON that is nested too deeply to be read."""
    try:
        return msgspec.json.decode(bytes(body).removeprefix(_BYTE_ORDER_MARK), type=type)
    except RecursionError:
        raise msgspec.DecodeError("JSON is nested too deeply") from None


async def read_answer(response: aiohttp.ClientResponse, limit: int = ANSWER_LIMIT) -> bytes:
    """The body of an answer, decompressed. Raises :class:`AnswerTooLong`: the caller must close the connection."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > limit:
            response.close()
            raise AnswerTooLong(f"the answer is longer than {limit} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def last_digits(number: str | None) -> str | None:
    """The last four digits of a card's number, masked or cut by the provider; ``None`` for anything else."""
    digits = "" if number is None else number[-LAST_DIGITS:]
    return digits if len(digits) == LAST_DIGITS and digits.isascii() and digits.isdecimal() else None


def check_texts(value: msgspec.Struct) -> None:
    """Raise :class:`InvalidMessage`, naming the field, for a text that Postgres or Kafka would refuse: one that holds
    U+0000, or is longer than :data:`TEXT_LIMIT`."""
    for path, text in _texts("", msgspec.to_builtins(value)):
        if "\0" in text:
            raise InvalidMessage(f"{path} holds the character U+0000")
        if len(text) > TEXT_LIMIT:
            raise InvalidMessage(f"{path} has {len(text)} characters, the limit is {TEXT_LIMIT}")


def _texts(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(f"{path}.{name}" if path else name, inner)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _texts(f"{path}[{index}]", inner)
