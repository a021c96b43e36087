"""A saved payment method: what may be charged, the customer absent."""

from datetime import date
from typing import Final
from uuid import UUID, uuid5

import msgspec

#: The namespace of the ids of saved methods.
NAMESPACE: Final = UUID("0c5a3f0d-4c0c-5d0b-8f66-5f0f9c3c9d1e")


class Method(msgspec.Struct, frozen=True, omit_defaults=True):
    """A saved payment method. ``ref``: the provider's name of it; ``expires_on``: its last day."""

    id: UUID
    provider: str
    ref: str
    title: str = ""
    expires_on: date | None = None


def method_id(client: str, customer: str, provider: str, ref: str) -> UUID:
    """The id of a saved method: saved twice, it is one."""
    return uuid5(NAMESPACE, f"{client}:{customer}:{provider}:{ref}")
