"""The envelope of every message: CloudEvents 1.0, structured mode, JSON."""

import re
from datetime import datetime
from typing import Any, Final, Self

import msgspec

from billing.errors import InvalidMessage, UnknownMessageType
from billing.messages.base import Message
from billing.messages.catalogue import MESSAGE_TYPES


class Envelope(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """CloudEvents 1.0. ``time`` is when it was written (UTC); ``actor`` is who caused it (an extension attribute);
    ``traceparent`` is the W3C trace context."""

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    datacontenttype: str = "application/json"
    actor: str | None = None
    traceparent: str | None = None
    data: msgspec.Raw

    @classmethod
    def wrap(
        cls,
        message: Message,
        *,
        id: str,
        source: str,
        subject: str,
        time: datetime,
        actor: str | None = None,
        traceparent: str | None = None,
    ) -> Self:
        return cls(
            id=id,
            source=source,
            type=message.TYPE,
            subject=subject,
            time=time,
            actor=actor,
            traceparent=traceparent,
            data=msgspec.Raw(_encoder.encode(message)),
        )

    def open(self) -> Message:
        """The typed message. Raises :class:`UnknownMessageType` for a type that may be a later release's, and
        :class:`InvalidMessage` for any other, or when the data does not fit."""
        decoder = _decoders.get(self.type)
        if decoder is None:
            kind = UnknownMessageType if _OURS.fullmatch(self.type) else InvalidMessage
            raise kind(f"unknown message type {self.type!r}")
        try:
            message: Message = decoder.decode(self.data)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise InvalidMessage(f"{self.type}: {error}") from error
        return message

    def encode(self) -> bytes:
        return _encoder.encode(self)


#: How the types of our messages look, those of later releases included.
_OURS: Final = re.compile(r"billing\.[a-z0-9_.]+\.v[0-9]+")
_encoder = msgspec.json.Encoder()
_envelopes = msgspec.json.Decoder(Envelope)
_decoders: dict[str, msgspec.json.Decoder[Any]] = {
    name: msgspec.json.Decoder(cls) for name, cls in MESSAGE_TYPES.items()
}


def decode_envelope(raw: bytes) -> Envelope:
    """Parse an envelope; :class:`InvalidMessage` when the bytes are not one."""
    try:
        return _envelopes.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidMessage(f"not a CloudEvent: {error}") from error
