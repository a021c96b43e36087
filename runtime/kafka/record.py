"""A Kafka message as a consumer received it."""

import msgspec


class Incoming(msgspec.Struct, frozen=True):
    """One Kafka message as it came."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()
