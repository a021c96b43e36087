"""Dead letters as stored in ``billing.dead-letters``."""

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

#: Headers that the dead letter's writer put in front of the message's own.
_ORIGIN_HEADERS: Final = ("cause", "consumer", "topic", "partition", "offset")
_JWT: Final = re.compile(rb"[\w-]+\.([\w-]+)\.[\w-]*\s*")
#: Characters shown of a value that is not JSON.
_SHOWN: Final = 2000


class Letter(msgspec.Struct, frozen=True):
    """``partition`` and ``offset``: in ``billing.dead-letters``. ``origin_headers``: what the writer added, by name.
    ``headers``, ``key``, ``value``: the message's own, unchanged."""

    partition: int
    offset: int
    buried_at: datetime
    origin_headers: dict[str, str]
    headers: list[tuple[str, bytes]]
    key: bytes | None
    value: bytes

    @property
    def id(self) -> str:
        """PARTITION-OFFSET, as operators type it."""
        return f"{self.partition}-{self.offset}"

    @property
    def position(self) -> tuple[int, int]:
        """(partition, offset) in ``billing.dead-letters``."""
        return self.partition, self.offset

    @property
    def consumer(self) -> str:
        """Which consumer could not process the message."""
        return self.origin_headers.get("consumer", "?")

    @property
    def cause(self) -> str:
        """The error, masked."""
        masked: str = redact(self.origin_headers.get("cause", "?"))
        return masked

    @property
    def origin(self) -> str:
        """Position of the message in its own topic: topic/partition/offset."""
        return "/".join(self.origin_headers.get(name, "?") for name in ("topic", "partition", "offset"))


def read(record: Any) -> Letter:
    """Parse a record of the topic. Of headers with the same name the writer's comes first, the message's own follow."""
    added: dict[str, str] = {}
    headers = list(record.headers)
    while headers and headers[0][0] in _ORIGIN_HEADERS and headers[0][0] not in added:
        name, value = headers.pop(0)
        added[name] = (value or b"").decode(errors="replace")
    at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    return Letter(record.partition, record.offset, at, added, headers, record.key, record.value or b"")


async def letters(settings: Settings) -> AsyncIterator[Letter]:
    """Every dead letter that the topic still holds, by partition and offset."""
    async with Log.open(settings) as log:
        for partition, bounds in (await log.bounds(DEAD_LETTERS.name)).items():
            async for records in log.read(DEAD_LETTERS.name, {partition: bounds}):
                for record in records:
                    yield read(record)


async def letter_at(settings: Settings, partition: int, offset: int) -> Letter | None:
    """One dead letter; ``None`` if the topic does not hold it, or not any more."""
    async with Log.open(settings) as log:
        first, end = (await log.bounds(DEAD_LETTERS.name)).get(partition, (0, 0))
        if not first <= offset < end:
            return None
        async for records in log.read(DEAD_LETTERS.name, {partition: (offset, offset + 1)}):
            for record in records:
                return read(record)
    return None


def masked_key(letter: Letter) -> str | None:
    """The message's key, masked."""
    return None if letter.key is None else str(redact(letter.key.decode(errors="replace")))


def masked_headers(letter: Letter) -> dict[str, str]:
    """The message's own headers, masked."""
    masked: dict[str, str] = redact({name: (value or b"").decode(errors="replace") for name, value in letter.headers})
    return masked


def masked_value(value: bytes) -> Any:
    """Decoded JSON, the payload of a signed token, or the start of any other text; masked."""
    try:
        return redact(msgspec.json.decode(value))
    except msgspec.DecodeError:
        pass  # messages that cannot be read are often not JSON
    if (token := _JWT.fullmatch(value)) is not None:
        try:
            payload = base64.urlsafe_b64decode(token[1] + b"=" * (-len(token[1]) % 4))
            return {"signed": redact(msgspec.json.decode(payload)), "signature": MASK}
        except (ValueError, msgspec.DecodeError):
            return MASK
    return redact(value[:_SHOWN].decode(errors="replace"))
