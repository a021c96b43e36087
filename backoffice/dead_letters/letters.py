"""A dead letter as it lies in ``billing.dead-letters``."""

import base64
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from backoffice.audit.streams import Log
from billing.messages.topics import DEAD_LETTERS
from runtime.logging.card_numbers import MASK
from runtime.logging.redaction import redact
from runtime.settings import Settings

#: What was put in front of the message's own headers when it was buried.
_WRITTEN: Final = ("cause", "consumer", "topic", "partition", "offset")
_JWT: Final = re.compile(rb"[\w-]+\.([\w-]+)\.[\w-]*\s*")
#: Characters shown of a value that is not JSON.
_SHOWN: Final = 2000


class Letter(msgspec.Struct, frozen=True):
    """``partition`` and ``offset``: in ``billing.dead-letters``. ``place``: what the burying wrote, by header name.
    ``headers``, ``key``, ``value``: the message's own, as they were."""

    partition: int
    offset: int
    buried_at: datetime
    place: dict[str, str]
    headers: list[tuple[str, bytes]]
    key: bytes | None
    value: bytes

    @property
    def id(self) -> str:
        """How people name it."""
        return f"{self.partition}-{self.offset}"

    @property
    def origin(self) -> str:
        """Where the message stood: topic/partition/offset."""
        return "/".join(self.place.get(name, "?") for name in ("topic", "partition", "offset"))


def read(record: Any) -> Letter:
    """A record of the topic. Of headers with the same name the first is the burying's, the rest the message's own."""
    place: dict[str, str] = {}
    headers = list(record.headers)
    while headers and headers[0][0] in _WRITTEN and headers[0][0] not in place:
        name, value = headers.pop(0)
        place[name] = (value or b"").decode(errors="replace")
    at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    return Letter(record.partition, record.offset, at, place, headers, record.key, record.value or b"")


async def letters(settings: Settings) -> AsyncIterator[Letter]:
    """Every dead letter that the topic still holds, by partition and offset."""
    async with Log.open(settings) as log:
        for partition, bounds in (await log.bounds(DEAD_LETTERS.name)).items():
            async for records in log.read(DEAD_LETTERS.name, {partition: bounds}):
                for record in records:
                    yield read(record)


async def letter_at(settings: Settings, partition: int, offset: int) -> Letter | None:
    """One dead letter; ``None`` where there is none, or none any more."""
    async with Log.open(settings) as log:
        first, end = (await log.bounds(DEAD_LETTERS.name)).get(partition, (0, 0))
        if not first <= offset < end:
            return None
        async for records in log.read(DEAD_LETTERS.name, {partition: (offset, offset + 1)}):
            for record in records:
                return read(record)
    return None


def shown_headers(letter: Letter) -> dict[str, str]:
    """The message's own headers, masked."""
    masked: dict[str, str] = redact({name: (value or b"").decode(errors="replace") for name, value in letter.headers})
    return masked


def shown_value(value: bytes) -> Any:
    """JSON as JSON, a signed token as its payload, all else as the beginning of a text; masked."""
    try:
        return redact(msgspec.json.decode(value))
    except msgspec.DecodeError:
        pass  # poison is often no JSON at all
    if (token := _JWT.fullmatch(value)) is not None:
        try:
            payload = base64.urlsafe_b64decode(token[1] + b"=" * (-len(token[1]) % 4))
            return {"signed": redact(msgspec.json.decode(payload)), "signature": MASK}
        except (ValueError, msgspec.DecodeError):
            return MASK
    return redact(value[:_SHOWN].decode(errors="replace"))
