"""Dead letters as an operator may see them: decoded and masked."""

import base64
import re
from typing import Any, Final

import msgspec

from runtime.kafka.dead_letters import Letter
from runtime.logging.card_numbers import MASK
from runtime.logging.redaction import redact

_JWT: Final = re.compile(rb"[\w-]+\.([\w-]+)\.[\w-]*\s*")
#: Characters shown of a value that is not JSON.
_SHOWN: Final = 2000


def masked_cause(letter: Letter) -> str:
    """The error, masked."""
    masked: str = redact(letter.origin_headers.get("cause", "?"))
    return masked


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
