"""A Kafka message as a consumer received it."""

import msgspec


class Incoming(msgspec.Struct, frozen=True):
    """One Kafka message, unchanged."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()
